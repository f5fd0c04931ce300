"""`stream: true`: events that the official client reads, and a block that is a real 400."""

import asyncio
import json

import httpx
import openai
import pytest
from openai.types import ImageEditCompletedEvent, ImageGenCompletedEvent

from deployments.errors import StageFailed
from deployments.gateway.config import EditSettings
from deployments.gateway.edge.app import create_app
from tests.gateway.services import make_picture

URL = "/v1/images/generations"
SETTINGS = EditSettings(guidance_scale=3.0, image_guidance_scale=1.5, faithful_scale=2.0)


@pytest.fixture
def config(config):
    return config.model_copy(update={"edits": SETTINGS})


def events(text: str) -> list[tuple[str, dict]]:
    """Names and data of all events but the last, which must say that it is done."""
    *blocks, done = [block for block in text.strip().split("\n\n") if not block.startswith(":")]
    assert done == "data: [DONE]"
    lines = [block.split("\n") for block in blocks]
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in lines
    ]


async def test_the_official_client_reads_one_completed_event(client, official):
    stream = await client.images.generate(prompt="a dog", stream=True)
    found = [event async for event in stream]
    (event,) = found
    official(ImageGenCompletedEvent, event.model_dump(exclude_unset=True))
    assert event.type == "image_generation.completed"
    assert event.b64_json


async def test_the_official_client_reads_an_edit_s_event(client, official):
    stream = await client.images.edit(
        image=("a.png", make_picture().png), prompt="make them smile", stream=True
    )
    (event,) = [event async for event in stream]
    official(ImageEditCompletedEvent, event.model_dump(exclude_unset=True))
    assert event.type == "image_edit.completed"


async def test_each_picture_has_its_event_and_usage_adds_up(http, services):
    services.rewritten = "a calm dog"
    answer = await http.post(URL, json={"prompt": "a dog", "n": 2, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    assert [name for name, _ in found] == ["image_generation.completed"] * 2
    assert sum(data["usage"]["total_tokens"] for _, data in found) == 7 + 512
    assert len({data["b64_json"] for _, data in found}) == 2
    assert {data["safety"]["revised_prompt"] for _, data in found} == {"a calm dog"}
    assert found[0][1]["safety"]["decision"] == "delivered"


async def test_a_blocked_prompt_is_a_real_400(client, services):
    services.action, services.category = "block", "violence"
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(prompt="a fight", stream=True)
    assert caught.value.code == "moderation_blocked"


async def test_a_body_that_does_not_fit_is_a_real_400(http):
    answer = await http.post(URL, json={"prompt": "a dog", "stream": True, "n": 99})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"


async def test_what_fails_after_the_prompt_s_verdict_is_one_error_event(http, client, services):
    services.failures["classifier"] = StageFailed("classifier", "died")
    answer = await http.post(URL, json={"prompt": "a dog", "stream": True})
    ((name, data),) = events(answer.text)
    assert (name, data["error"]["code"]) == ("error", "safety_unavailable")
    assert "b64_json" not in answer.text
    with pytest.raises(openai.APIError):
        async for _ in await client.images.generate(prompt="a dog", stream=True):
            pass


async def test_a_picture_that_is_refused_is_one_error_event(http, services, audited):
    services.harmful = frozenset({7})
    answer = await http.post(URL, json={"prompt": "a dog", "stream": True, "seed": 7})
    ((name, data),) = events(answer.text)
    assert (name, data["error"]["code"]) == ("error", "moderation_blocked")
    assert "b64_json" not in answer.text
    assert [record.decision for record in audited()] == ["refused"]


async def test_the_decision_is_accounted_for_before_the_picture_leaves(
    services, config, full_disk, readiness
):
    transport = httpx.ASGITransport(create_app(services.walk, config, full_disk, readiness))
    async with httpx.AsyncClient(transport=transport, base_url="http://safelight") as http:
        answer = await http.post(URL, json={"prompt": "a dog", "stream": True})
    ((name, _),) = events(answer.text)
    assert name == "error"
    assert "b64_json" not in answer.text


async def test_who_hangs_up_in_the_stream_calls_the_drawing_off(app, services, audited):
    services.drawn.clear()
    sent, gone = [], asyncio.Event()

    async def receive():
        if not sent:
            body = json.dumps({"prompt": "a dog", "stream": True}).encode()
            sent.append("request")
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message["type"])
        if message["type"] == "http.response.body":
            gone.set()

    scope = {
        "type": "http", "method": "POST", "path": URL, "query_string": b"", "headers": [],
        "http_version": "1.1", "scheme": "http", "server": ("safelight", 80), "root_path": "",
    }  # fmt: skip
    await asyncio.wait_for(app(scope, receive, send), 10)
    (record,) = audited()
    assert record.decision == "unavailable"
    assert record.stages[-1].action == "abandoned"
    assert services.cancelled == len(services.requests)
