"""The HTTP edge: routes. Each decision is logged once, before its answer leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Literal, Protocol

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from deployments.contracts import Safety, StageRecord
from deployments.errors import SafelightError
from deployments.gateway.api.answers import Reply, models, models_body
from deployments.gateway.api.edit_forms import read_form
from deployments.gateway.api.resolve import edits_unsupported
from deployments.gateway.api.strict_json import parse_json
from deployments.gateway.config import GatewayConfig
from deployments.gateway.edge.endpoints import Decider, Endpoints, Exchange
from deployments.gateway.edge.failures import EdgeRefusal, failure_reply
from deployments.gateway.edge.limits import Edge, Memory, Room, read_bounded
from deployments.gateway.edge.streaming import EventStream
from deployments.telemetry.trace import Trace

Endpoint = Callable[[bytes, Exchange], Awaitable[Reply]]
Readiness = Literal["ready", "starting", "failed"]


class Log(Protocol):
    """Where decisions are kept: see `deployments.telemetry.audit.AuditLog`."""

    def write(self, safety: Safety, prompt: str) -> None: ...


def of_json(endpoint: Callable[[Any, Exchange], Awaitable[Reply]]) -> Endpoint:
    """An endpoint whose body is JSON."""

    async def read(body: bytes, exchange: Exchange) -> Reply:
        return await endpoint(parse_json(body), exchange)

    return read


def create_app(
    walk: Decider, config: GatewayConfig, audit: Log, readiness: Callable[[], Awaitable[Readiness]]
) -> FastAPI:
    """The application.

    Args:
        readiness: whether every service behind the walk can answer now, or ever will.
    """
    app = FastAPI(
        title="Safelight", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    app.add_middleware(Edge, policy=walk.policy.ref)
    endpoints = Endpoints(walk, config)
    room = Room(config.max_requests)
    memory = Memory(config.max_held_bytes)

    def trace_of(request: Request) -> Trace:
        return Trace(request.state.request_id, walk.policy.ref)

    async def decide(
        request: Request, endpoint: Endpoint, max_bytes: int = config.max_body_bytes
    ) -> Response:
        exchange = Exchange(trace_of(request))
        answer = asyncio.create_task(decided(request, endpoint, max_bytes, exchange))
        opened = asyncio.create_task(exchange.opened.wait())
        try:
            await asyncio.wait({answer, opened}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            answer.cancel()
            with suppress(asyncio.CancelledError):
                await answer
            raise
        finally:
            opened.cancel()
        if exchange.opened.is_set() and exchange.stream:
            return EventStream(answer, exchange.stream)
        return (await answer).render()

    async def decided(
        request: Request, endpoint: Endpoint, max_bytes: int, exchange: Exchange
    ) -> Reply:
        """The answer, accounted for."""
        try:
            with room.place(), memory.held() as take:
                body = await read_bounded(request, max_bytes, config.body_timeout_s, take)
                reply = await endpoint(body, exchange)
                reply.render()  # what cannot be rendered must fail here
        except asyncio.CancelledError:  # accounted for all the same
            why = "the client hung up, or the gateway is stopping"
            exchange.trace.stage(StageRecord(stage="gateway", action="abandoned", why=why))
            with suppress(SafelightError):  # nobody is left to be told
                audit.write(exchange.trace.safety("unavailable"), exchange.prompt)
            raise
        except Exception as error:
            reply = failure_reply(error, exchange.trace)
        try:
            audit.write(reply.safety, exchange.prompt)
        except SafelightError as error:  # what cannot be accounted for is not released
            return failure_reply(error, exchange.trace)
        return reply

    @app.post("/v1/images/generations")
    async def generate_images(request: Request) -> Response:
        return await decide(request, of_json(endpoints.images))

    @app.post("/v1/images/edits")
    async def edit_images(request: Request) -> Response:
        async def edit(body: bytes, exchange: Exchange) -> Reply:
            if config.edits is None:
                raise edits_unsupported()
            form = await read_form(body, request.headers, config.uploads)
            return await endpoints.edits(form, config.edits, exchange)

        return await decide(request, edit, config.max_upload_body_bytes)

    @app.post("/v1/moderations")
    async def moderate(request: Request) -> Response:
        moderations = of_json(endpoints.moderations)
        return await decide(request, moderations, config.max_upload_body_bytes)

    @app.post("/v1/safety/preview")
    async def preview(request: Request) -> Response:
        return await decide(request, of_json(endpoints.preview))

    @app.get("/v1/models")
    async def list_models(request: Request) -> Response:
        return Reply(models_body(config), trace_of(request).safety("delivered")).render()

    @app.get("/v1/models/{model}")
    async def show_model(request: Request, model: str) -> Response:
        served = models(config)
        if model not in served:
            raise EdgeRefusal("The model does not exist here.", status=404, code="model_not_found")
        return Reply(served[model], trace_of(request).safety("delivered")).render()

    @app.get("/healthz")
    async def healthy() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def is_ready() -> Response:
        status = await readiness()
        if status == "ready":
            return JSONResponse({"status": status})
        return JSONResponse({"status": status}, 503, {"retry-after": "5"})

    @app.exception_handler(SafelightError)
    @app.exception_handler(HTTPException)
    async def explain(request: Request, error: Exception) -> Response:
        return failure_reply(error, trace_of(request)).render()

    return app
