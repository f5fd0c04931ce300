"""Every failure has OpenAI's error form and its trace; nothing leaves that should not."""

import asyncio
import json
import logging

import httpx
import openai
import pytest
from starlette.requests import Request

from deployments.errors import (
    Cancelled,
    Overloaded,
    RequestError,
    StageFailed,
    StageTimeout,
    UnparsableAnswer,
)
from deployments.gateway.api.reply import Reply
from deployments.gateway.edge.answering import Answering
from deployments.gateway.edge.app import create_app
from deployments.gateway.edge.exchange import Exchange
from deployments.gateway.edge.failures import failure_reply
from deployments.telemetry.trace import Trace

URL = "/v1/images/generations"
ASKED = {"prompt": "a private prompt"}


def block(services) -> None:
    services.action, services.category = "block", "violence"


async def test_blocked_prompt_raises_bad_request_once_in_the_official_client(client, services):
    block(services)
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(prompt="a prompt")
    assert client._client._transport.calls == 1
    assert caught.value.code == "moderation_blocked"
    assert caught.value.type == "image_generation_user_error"
    assert caught.value.param is None
    assert caught.value.body["moderation_details"] == {
        "moderation_stage": "input",
        "categories": ["violence"],
    }


async def test_block_says_what_was_flagged_and_how_to_quote_it(http, services):
    block(services)
    answer = await http.post(URL, json=ASKED)
    message, safety = answer.json()["error"]["message"], answer.json()["safety"]
    assert answer.status_code == 400
    assert answer.headers["x-should-retry"] == "false"
    assert "the prompt" in message
    assert "violence" in message
    assert message.endswith(f"{safety['request_id']}. safety_violations=[violence]")
    assert safety["decision"] == "blocked"
    assert [stage["stage"] for stage in safety["stages"]] == ["guard"]


async def test_request_that_is_abandoned_is_accounted_for(http, services, audited):
    services.drawn.clear()
    request = asyncio.create_task(http.post(URL, json=ASKED))
    await services.begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    (record,) = audited()
    assert (record.decision, record.prompt) == ("unavailable", ASKED["prompt"])
    assert (record.stages[-1].stage, record.stages[-1].action) == ("gateway", "abandoned")


async def test_refused_pictures_are_told_apart_from_a_blocked_prompt(http, services):
    services.harmful = frozenset({7})
    body = (await http.post(URL, json=ASKED | {"seed": 7})).json()
    assert body["error"]["moderation_details"]["moderation_stage"] == "output"
    assert body["safety"]["decision"] == "refused"


@pytest.mark.parametrize(
    ("stage", "failure", "status", "code", "seconds"),
    [
        ("guard", StageTimeout("guard", "too late", 7.2), 503, "safety_unavailable", "8"),
        ("classifier", StageFailed("classifier", "it died", 0), 503, "safety_unavailable", "1"),
        (
            "rewriter",
            UnparsableAnswer("rewriter", "no text", 900),
            503,
            "safety_unavailable",
            "300",
        ),
        ("diffusion", Overloaded("diffusion", "it is full", 30), 429, "overloaded", "30"),
        ("guard", Cancelled("the work was cancelled"), 503, "safety_unavailable", "5"),
        ("guard", RuntimeError("a private prompt"), 503, "safety_unavailable", "5"),
    ],
)
async def test_unavailable_stage_is_named_with_a_time_to_come_back(
    http, services, stage, failure, status, code, seconds
):
    services.failures[stage] = failure
    answer = await http.post(URL, json=ASKED)
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) == (status, code)
    assert answer.headers["retry-after"] == seconds
    assert "x-should-retry" not in answer.headers
    assert body["safety"]["decision"] == "unavailable"
    assert "data" not in body
    last = body["safety"]["stages"][-1]
    assert (last["stage"], last["action"]) == (stage, "unavailable")
    assert "Traceback" not in answer.text
    assert "private" not in answer.text


async def test_stage_that_finds_the_request_malformed_is_a_400(http, services):
    services.failures["diffusion"] = RequestError(
        "257 tokens", code="string_above_max_length", param="prompt"
    )
    answer = await http.post(URL, json=ASKED)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "prompt"


async def test_unexpected_error_is_logged_without_what_it_said(http, services, caplog):
    services.failures["guard"] = RuntimeError("a private prompt")
    with caplog.at_level(logging.DEBUG, "deployments"):
        await http.post(URL, json=ASKED)
    assert "RuntimeError" in caplog.text
    assert "_fail" in caplog.text
    assert "private" not in caplog.text


async def test_each_decision_is_logged_once_with_its_prompt(http, services, audited):
    answers = [await http.post(URL, json=ASKED)]
    block(services)
    answers.append(await http.post(URL, json=ASKED))
    services.failures["guard"] = StageFailed("guard", "it died")
    answers.append(await http.post(URL, json=ASKED))
    records = audited()
    assert [record.decision for record in records] == ["delivered", "blocked", "unavailable"]
    assert {record.prompt for record in records} == {"a private prompt"}
    added = {"time", "prompt", "prompt_sha256"}
    assert [record.model_dump(mode="json", exclude=added) for record in records] == [
        answer.json()["safety"] for answer in answers
    ]


async def test_picture_whose_decision_cannot_be_logged_stays_inside(
    services, config, full_disk, readiness
):
    transport = httpx.ASGITransport(create_app(services.walk, config, full_disk, readiness))
    async with httpx.AsyncClient(transport=transport, base_url="http://safelight") as http:
        answer = await http.post(URL, json=ASKED)
    assert answer.status_code == 503
    assert "data" not in answer.json()
    assert answer.json()["safety"]["stages"][-1]["stage"] == "audit"


async def test_picture_that_is_not_the_one_of_its_verdict_stays_inside(http, services):
    services.sha256 = "0" * 64
    answer = await http.post(URL, json=ASKED)
    assert answer.status_code == 503
    assert "data" not in answer.json()


def test_what_no_stage_expected_is_an_internal_error_that_tells_nothing(policy):
    trace = Trace("r1", policy.ref)
    reply = failure_reply(ValueError("a private prompt"), trace)
    assert (reply.status, reply.body["error"]["code"]) == (503, "internal_error")
    assert "private" not in json.dumps(reply.document)


async def test_answer_that_is_no_json_is_not_sent(config, audit, policy):
    async def endpoint(body, exchange):
        return Reply({"score": float("nan")}, exchange.trace.safety("delivered"))

    async def receive():
        return {"type": "http.request", "body": b"{}", "more_body": False}

    request = Request({"type": "http", "method": "POST", "headers": []}, receive)
    exchange = Exchange(Trace("r1", policy.ref), request.headers)
    answer = await Answering(config, audit).answer(request, exchange, endpoint, 100)
    assert answer.status_code == 503
    assert json.loads(answer.body)["error"]["code"] == "internal_error"
