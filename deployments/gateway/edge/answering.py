"""From a request to its answer: within bounds, as one body or as events, and accounted for."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response

from deployments.contracts import StageRecord
from deployments.errors import SafelightError
from deployments.gateway.api.reply import Reply
from deployments.gateway.config import GatewayConfig
from deployments.gateway.edge.exchange import Exchange
from deployments.gateway.edge.failures import failure_reply
from deployments.gateway.edge.limits import Memory, Room, read_bounded
from deployments.gateway.edge.streaming import EventStream
from deployments.telemetry.audit import AuditLog

Endpoint = Callable[[bytes, Exchange], Awaitable[Reply]]


class Answering:
    """Answers requests. Each decision is logged once, before its answer leaves."""

    def __init__(self, config: GatewayConfig, audit: AuditLog) -> None:
        self._audit = audit
        self._body_timeout_s = config.body_timeout_s
        self._room = Room(config.max_requests)
        self._memory = Memory(config.max_held_bytes)

    async def answer(
        self, request: Request, exchange: Exchange, endpoint: Endpoint, max_bytes: int
    ) -> Response:
        """What the endpoint makes of the request, whose body has at most `max_bytes`."""
        decided = asyncio.create_task(self._decided(request, exchange, endpoint, max_bytes))
        opened = asyncio.create_task(exchange.opened.wait())
        try:
            await asyncio.wait({decided, opened}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            decided.cancel()
            with suppress(asyncio.CancelledError):
                await decided
            raise
        finally:
            opened.cancel()
        if exchange.opened.is_set() and exchange.stream:
            return EventStream(decided, exchange.stream)
        return (await decided).render()

    async def _decided(
        self, request: Request, exchange: Exchange, endpoint: Endpoint, max_bytes: int
    ) -> Reply:
        try:
            with self._room.place(), self._memory.held() as take:
                body = await read_bounded(request, max_bytes, self._body_timeout_s, take)
                reply = await endpoint(body, exchange)
                reply.render()  # what cannot be rendered must fail here
        except asyncio.CancelledError:  # accounted for all the same
            why = "the client hung up, or the gateway is stopping"
            exchange.trace.stage(StageRecord(stage="gateway", action="abandoned", why=why))
            with suppress(SafelightError):  # nobody is left to be told
                self._audit.write(exchange.trace.safety("unavailable"), exchange.prompt)
            raise
        except Exception as error:
            reply = failure_reply(error, exchange.trace)
        try:
            self._audit.write(reply.safety, exchange.prompt)
        except SafelightError as error:  # what cannot be accounted for is not released
            return failure_reply(error, exchange.trace)
        return reply
