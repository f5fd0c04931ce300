"""The HTTP edge: which path is answered by what."""

from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from deployments.errors import RequestError, SafelightError
from deployments.gateway.api.answers import models, models_body
from deployments.gateway.api.reply import Reply
from deployments.gateway.config import GatewayConfig
from deployments.gateway.edge.answering import Answering, Endpoint
from deployments.gateway.edge.asgi import Edge
from deployments.gateway.edge.endpoints import Endpoints
from deployments.gateway.edge.exchange import Exchange
from deployments.gateway.edge.failures import failure_reply
from deployments.gateway.walk.pipeline import Walk
from deployments.telemetry.audit import AuditLog
from deployments.telemetry.trace import Trace

Readiness = Literal["ready", "starting", "failed"]
STARTING_SECONDS = 5
"""When a client that finds the service not ready should come back."""


def create_app(
    walk: Walk,
    config: GatewayConfig,
    audit: AuditLog,
    readiness: Callable[[], Awaitable[Readiness]],
) -> FastAPI:
    """The application.

    Args:
        readiness: whether every service behind the walk can answer now, or ever will.
    """
    app = FastAPI(
        title="Safelight", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    app.add_middleware(Edge, policy=walk.policy.ref)
    endpoints, answering = Endpoints(walk, config), Answering(config, audit)

    def trace_of(request: Request) -> Trace:
        return Trace(request.state.request_id, walk.policy.ref)

    def post(path: str, endpoint: Endpoint, max_bytes: int) -> None:
        async def answer(request: Request) -> Response:
            return await answering.answer(
                request, Exchange(trace_of(request), request.headers), endpoint, max_bytes
            )

        app.add_api_route(path, answer, methods=["POST"])

    post("/v1/images/generations", endpoints.images, config.max_body_bytes)
    post("/v1/images/edits", endpoints.edits, config.max_upload_body_bytes)
    post("/v1/moderations", endpoints.moderations, config.max_upload_body_bytes)
    post("/v1/safety/preview", endpoints.preview, config.max_body_bytes)

    _add_reads(app, config, readiness, trace_of)

    @app.exception_handler(SafelightError)
    @app.exception_handler(HTTPException)
    async def explain(request: Request, error: Exception) -> Response:
        return failure_reply(error, trace_of(request)).render()

    return app


def _add_reads(
    app: FastAPI,
    config: GatewayConfig,
    readiness: Callable[[], Awaitable[Readiness]],
    trace_of: Callable[[Request], Trace],
) -> None:
    """Adds the paths that decide nothing."""

    @app.get("/v1/models")
    async def list_models(request: Request) -> Response:
        return Reply(models_body(config), trace_of(request).safety("delivered")).render()

    @app.get("/v1/models/{model}")
    async def show_model(request: Request, model: str) -> Response:
        served = models(config)
        if model not in served:
            raise RequestError("The model does not exist here.", status=404, code="model_not_found")
        return Reply(served[model], trace_of(request).safety("delivered")).render()

    @app.get("/healthz")
    async def healthy() -> Response:
        return JSONResponse({"status": "ok"})

    @app.get("/readyz")
    async def is_ready() -> Response:
        status = await readiness()
        if status == "ready":
            return JSONResponse({"status": status})
        return JSONResponse({"status": status}, 503, {"retry-after": str(STARTING_SECONDS)})
