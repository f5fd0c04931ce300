"""`stream: true`: events that the official client reads, and a block that is a real 400."""

import asyncio
import json

import openai
import pytest
from openai.types import ImageEditCompletedEvent, ImageGenCompletedEvent

from deployments.errors import ContentBlocked, StageFailed
from deployments.gateway.config import EditSettings
from tests.gateway.conftest import make_picture

URL = "/v1/images/generations"
BLOCKED = ContentBlocked("it is violent", "input", ("violence",))
REFUSED = ContentBlocked("each picture was flagged", "output", ("violence",))
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


async def test_each_picture_has_its_event_and_usage_adds_up(http, walk):
    walk.rewritten = "a calm dog"
    answer = await http.post(URL, json={"prompt": "a dog", "n": 2, "stream": True})
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    assert [name for name, _ in found] == ["image_generation.completed"] * 2
    assert sum(data["usage"]["total_tokens"] for _, data in found) == 7 + 512
    assert len({data["b64_json"] for _, data in found}) == 2
    assert {data["safety"]["revised_prompt"] for _, data in found} == {"a calm dog"}
    assert found[0][1]["safety"]["decision"] == "delivered"


async def test_a_blocked_prompt_is_a_real_400(client, walk):
    walk.failure = BLOCKED
    with pytest.raises(openai.BadRequestError) as caught:
        await client.images.generate(prompt="a fight", stream=True)
    assert caught.value.code == "moderation_blocked"


async def test_a_body_that_does_not_fit_is_a_real_400(http):
    answer = await http.post(URL, json={"prompt": "a dog", "stream": True, "n": 99})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("failure", "code"),
    [(REFUSED, "moderation_blocked"), (StageFailed("classifier", "died"), "safety_unavailable")],
)
async def test_what_fails_after_the_prompt_s_verdict_is_one_error_event(
    http, client, walk, audit, failure, code
):
    walk.late_failure = failure
    answer = await http.post(URL, json={"prompt": "a dog", "stream": True})
    ((name, data),) = events(answer.text)
    assert (name, data["error"]["code"]) == ("error", code)
    assert "b64_json" not in answer.text
    with pytest.raises(openai.APIError):
        async for _ in await client.images.generate(prompt="a dog", stream=True):
            pass
    assert [safety.decision for safety, _ in audit.lines] != []


async def test_the_decision_is_accounted_for_before_the_picture_leaves(http, audit):
    audit.failure = StageFailed("audit", "the disk is full")
    answer = await http.post(URL, json={"prompt": "a dog", "stream": True})
    ((name, _),) = events(answer.text)
    assert name == "error"
    assert "b64_json" not in answer.text


async def test_who_hangs_up_in_the_stream_calls_the_drawing_off(app, walk, audit):
    walk.drawn = asyncio.Event()
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
    (line,) = audit.lines
    assert line[0].decision == "unavailable"
    assert [stage.action for stage in line[0].stages][-1] == "abandoned"
