"""What the edge does to every request before any code of ours reads it."""

import asyncio
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.contracts import PolicyRef
from deployments.errors import Overloaded, RequestError
from deployments.gateway.edge.failures import EdgeRefusal, failure_reply
from deployments.telemetry.trace import Trace

FORBIDDEN_HEADERS = (
    "x-request-timeout-seconds",
    "x-request-disconnect-disabled",
    "serve_multiplexed_model_id",
)
"""Ray Serve obeys these whoever sends them: they lift deadlines, keep abandoned work running, or
choose a model. Serve has read them before the application can, so a request that has one is refused
here, at once; a gateway in front of the cluster should strip them."""


class Edge:
    """The outermost ASGI layer: names each request, and answers whatever nothing else caught.

    Ray Serve's proxy gives every request an `x-request-id`, or keeps the client's, and adds it to
    the answer. A UUID found there is taken, so that header, body and audit log agree; any other
    value is the client's own business and is not used. Where there is none, we are not behind
    Serve and send the header ourselves.
    """

    def __init__(self, app: ASGIApp, policy: PolicyRef) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id = _uuid_of(headers.get("x-request-id")) or str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_named(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if "x-request-id" not in headers:
                    MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            _refuse_forbidden(headers)
            await self._app(scope, receive, send_named)
        except Exception as error:
            reply = failure_reply(error, Trace(request_id, self._policy))
            if started:
                # `error` is logged; its text, which may hold a prompt, must not be logged again.
                raise RuntimeError("the answer broke off") from None
            await reply.render()(scope, receive, send_named)


class Room:
    """How many requests are answered at the same time.

    Serve has such a limit too, but what it refuses is answered in plain text, outside our form.
    """

    def __init__(self, places: int) -> None:
        self._free = places

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds one place. Raises Overloaded when all are taken."""
        if not self._free:
            raise Overloaded("gateway", "too many requests at once", 2.0)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class Memory:
    """How many bytes of bodies are held at the same time, those of uploads above all."""

    def __init__(self, max_bytes: int) -> None:
        self._free = max_bytes

    @contextmanager
    def held(self) -> Iterator[Callable[[int], None]]:
        """Takes bytes for one request, and gives all of them back at its end.

        What it yields raises Overloaded when there are not so many left.
        """
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            if count > self._free:
                raise Overloaded("gateway", "too many large requests at once", 2.0)
            self._free -= count
            taken += count

        try:
            yield take
        finally:
            self._free += taken


async def read_bounded(
    request: Request, max_bytes: int, timeout_s: float, take: Callable[[int], None]
) -> bytes:
    """The whole body, refused before it is read if it says that it is too long, else counted.

    Args:
        take: is told of every part that comes; raises Overloaded when there is no room for it.

    Raises:
        RequestError: it is too long (413), too slow (408), or ends early.
        Overloaded: there is no room for it.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_long(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                take(len(chunk))
                body += chunk
                if len(body) > max_bytes:
                    raise _too_long(max_bytes)
    except TimeoutError as error:
        raise EdgeRefusal(
            f"The body did not arrive within {timeout_s:g} s.", status=408, code="request_timeout"
        ) from error
    except ClientDisconnect as error:
        raise RequestError("The body ended early.", code="incomplete_body") from error
    return bytes(body)


def _uuid_of(text: str | None) -> str | None:
    try:
        return str(uuid.UUID(text))
    except (TypeError, ValueError):
        return None


def _refuse_forbidden(headers: Headers) -> None:
    for name in FORBIDDEN_HEADERS:
        if name in headers:
            raise RequestError(f"The header {name} is not accepted.", code="forbidden_header")


def _too_long(max_bytes: int) -> EdgeRefusal:
    return EdgeRefusal(
        f"The body is longer than {max_bytes} bytes.", status=413, code="request_too_large"
    )
