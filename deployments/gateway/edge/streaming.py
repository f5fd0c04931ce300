"""Server-sent events in OpenAI's form: one completed event for each picture, or one error.

Nothing is sent before the prompt's verdict, so a block is a real 400; no event holds a picture
before the classifier's verdict on it, so nothing has to be taken back.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from deployments.gateway.api.reply import Json, Reply

ALIVE_SECONDS = 5.0
"""Between comments that keep the connection open, and find out whether it still is."""


class EventStream(StreamingResponse):
    """The answer as it comes; it is called off when the client hangs up, however early.

    Args:
        answer: ends with a reply of `images_body`, or with an error's.
        kind: "image_generation" or "image_edit".
    """

    def __init__(self, answer: asyncio.Task[Reply], kind: str) -> None:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(_events(answer, kind), 200, headers, media_type="text/event-stream")
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            # Not in the events: where the first send fails they never begin.
            self._answer.cancel()
            with suppress(asyncio.CancelledError):
                await self._answer


async def _events(answer: asyncio.Task[Reply], kind: str) -> AsyncIterator[bytes]:
    yield b": the prompt was let in\n\n"
    while not (await asyncio.wait({answer}, timeout=ALIVE_SECONDS))[0]:
        yield b": drawing\n\n"
    reply = answer.result()
    failed = reply.status != 200
    for name, data in [("error", reply.document)] if failed else _completed(reply, kind):
        yield f"event: {name}\ndata: {json.dumps(data)}\n\n".encode()
    yield b"data: [DONE]\n\n"


def _completed(reply: Reply, kind: str) -> list[tuple[str, Json]]:
    """An event for each picture; the prompt's tokens are counted in the first."""
    body, name = reply.document, f"{kind}.completed"
    pictures, usage = body["data"], body["usage"]
    return [
        (
            name,
            {
                "type": name,
                "b64_json": picture["b64_json"],
                "background": body["background"],
                "created_at": body["created"],
                "output_format": body["output_format"],
                "quality": body.get("quality", "auto"),
                "size": body["size"],
                "usage": _share(usage, len(pictures), first=place == 0),
                "safety": body["safety"] | {"revised_prompt": picture["revised_prompt"]},
                **({"safety_identifier": s} if (s := body.get("safety_identifier")) else {}),
            },
        )
        for place, picture in enumerate(pictures)
    ]


def _share(usage: Json, pictures: int, *, first: bool) -> Json:
    details = usage["input_tokens_details"]
    said = usage["input_tokens"] if first else 0
    drawn = usage["output_tokens"] // pictures
    return {
        "input_tokens": said,
        "input_tokens_details": details if first else dict.fromkeys(details, 0),
        "output_tokens": drawn,
        "total_tokens": said + drawn,
    }
