"""Every failure has OpenAI's error form and its trace; nothing leaves that should not."""

import asyncio
import logging

import openai
import pytest

from deployments.errors import (
    Cancelled,
    ContentBlocked,
    Overloaded,
    RequestError,
    StageFailed,
    StageTimeout,
    UnparsableAnswer,
)

URL = "/v1/images/generations"
BLOCKED = ContentBlocked("The prompt was blocked: it asks for violence.", "input", ("violence",))
ASKED = {"prompt": "a private prompt"}


async def test_blocked_prompt_raises_bad_request_once_in_the_official_client(client, walk):
    walk.failure = BLOCKED
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


async def test_block_says_what_was_flagged_and_how_to_quote_it(http, walk):
    walk.failure = BLOCKED
    answer = await http.post(URL, json=ASKED)
    message, safety = answer.json()["error"]["message"], answer.json()["safety"]
    assert answer.status_code == 400
    assert answer.headers["x-should-retry"] == "false"
    assert "the prompt" in message
    assert "violence" in message
    assert message.endswith(f"{safety['request_id']}. safety_violations=[violence]")
    assert safety["decision"] == "blocked"
    assert [stage["stage"] for stage in safety["stages"]] == ["guard"]


async def test_request_that_is_abandoned_is_accounted_for(http, walk, audit, monkeypatch):
    begun = asyncio.Event()

    async def never(job, trace, admitted):
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(walk, "generate", never)
    request = asyncio.create_task(http.post(URL, json=ASKED))
    await begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    ((safety, prompt),) = audit.lines
    assert (safety.decision, prompt) == ("unavailable", ASKED["prompt"])
    assert [(stage.stage, stage.action) for stage in safety.stages] == [("gateway", "abandoned")]


async def test_refused_pictures_are_told_apart_from_a_blocked_prompt(http, walk):
    walk.failure = ContentBlocked("Each picture was flagged.", "output", ("sexual", "violence"))
    body = (await http.post(URL, json=ASKED)).json()
    assert body["error"]["moderation_details"]["moderation_stage"] == "output"
    assert body["safety"]["decision"] == "refused"


@pytest.mark.parametrize(
    ("failure", "status", "code", "seconds"),
    [
        (StageTimeout("guard", "no answer within 20 s", 7.2), 503, "safety_unavailable", "8"),
        (StageFailed("classifier", "its replica died", 0.0), 503, "safety_unavailable", "1"),
        (UnparsableAnswer("guard", "no verdict", 900), 503, "safety_unavailable", "300"),
        (Overloaded("diffusion", "its queue is full", 30), 429, "overloaded", "30"),
        (Cancelled("the work was cancelled"), 503, "internal_error", "5"),
        (RuntimeError("a private prompt"), 503, "internal_error", "5"),
    ],
)
async def test_unavailable_stage_is_named_with_a_time_to_come_back(
    http, walk, failure, status, code, seconds
):
    walk.failure = failure
    answer = await http.post(URL, json=ASKED)
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) == (status, code)
    assert answer.headers["retry-after"] == seconds
    assert "x-should-retry" not in answer.headers
    assert body["safety"]["decision"] == "unavailable"
    assert "data" not in body
    assert body["safety"]["stages"][-1]["action"] == "unavailable"
    assert "Traceback" not in answer.text
    assert "private" not in answer.text


async def test_stage_that_finds_the_request_malformed_is_a_400(http, walk):
    walk.failure = RequestError("257 tokens", code="string_above_max_length", param="prompt")
    answer = await http.post(URL, json=ASKED)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "prompt"


async def test_unexpected_error_is_logged_without_what_it_said(http, walk, caplog):
    walk.failure = RuntimeError("a private prompt")
    with caplog.at_level(logging.DEBUG, "deployments"):
        await http.post(URL, json=ASKED)
    assert "RuntimeError" in caplog.text
    assert "_fail" in caplog.text
    assert "private" not in caplog.text


async def test_each_decision_is_logged_once_with_its_prompt(http, walk, audit):
    answers = [await http.post(URL, json=ASKED)]
    walk.failure = BLOCKED
    answers.append(await http.post(URL, json=ASKED))
    walk.failure = StageFailed("guard", "it died")
    answers.append(await http.post(URL, json=ASKED))
    assert [safety.decision for safety, _ in audit.lines] == ["delivered", "blocked", "unavailable"]
    assert {prompt for _, prompt in audit.lines} == {"a private prompt"}
    assert [safety.model_dump(mode="json") for safety, _ in audit.lines] == [
        answer.json()["safety"] for answer in answers
    ]


async def test_picture_whose_decision_cannot_be_logged_stays_inside(http, audit):
    audit.failure = StageFailed("audit", "the decision could not be logged")
    answer = await http.post(URL, json=ASKED)
    assert answer.status_code == 503
    assert "data" not in answer.json()
    assert answer.json()["safety"]["stages"][-1]["stage"] == "audit"


async def test_picture_that_changed_after_its_verdict_stays_inside(http, walk):
    honest = walk.generate

    async def swapped(job, trace, admitted):
        outcome = await honest(job, trace)
        released = outcome.pictures[0]
        other = released.picture.model_copy(update={"sha256": "0" * 64})
        return outcome.model_copy(
            update={"pictures": (released.model_copy(update={"picture": other}),)}
        )

    walk.generate = swapped
    answer = await http.post(URL, json=ASKED)
    assert answer.status_code == 503
    assert "data" not in answer.json()


async def test_answer_that_is_no_json_is_not_sent(http, walk):
    walk.scores = {"violence": float("nan")}
    answer = await http.post("/v1/safety/preview", json=ASKED)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "internal_error")
