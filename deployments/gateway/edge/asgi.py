"""What the edge does to every request before any code of ours reads it."""

import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.contracts import PolicyRef
from deployments.errors import RequestError
from deployments.gateway.edge.failures import failure_reply
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


def _uuid_of(text: str | None) -> str | None:
    try:
        return str(uuid.UUID(text))
    except (TypeError, ValueError):
        return None


def _refuse_forbidden(headers: Headers) -> None:
    for name in FORBIDDEN_HEADERS:
        if name in headers:
            raise RequestError(f"The header {name} is not accepted.", code="forbidden_header")
