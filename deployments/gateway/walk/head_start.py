"""Denoising that begins while a language model still decides about the prompt.

The rules have let the user's prompt pass by then, but nobody has admitted it: nothing of a head
start leaves unless the very same order is placed after the verdict. What is ordered otherwise, or
blocked, is called off within a step; its row-steps were wasted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from deployments.contracts import Generation, GenerationRequest, Version

logger = logging.getLogger(__name__)

Orders = Callable[[Sequence[Version]], list[GenerationRequest]]
"""What would be drawn from these versions, one order for each picture."""


class HeadStart:
    """The pictures of one request that are begun early. Used once, and dropped in the end."""

    def __init__(
        self,
        orders: Orders,
        generate: Callable[[GenerationRequest], Coroutine[Any, Any, Generation]],
    ) -> None:
        self._orders, self._generate = orders, generate
        self._preparing: asyncio.Task[None] | None = None
        self._begun: list[tuple[GenerationRequest, asyncio.Task[Generation]]] = []
        self.wasted = 0

    def prepare(self, versions: Callable[[], Awaitable[Sequence[Version]]]) -> None:
        """Asks for versions and begins with them. If that fails, nothing begins."""

        async def begin() -> None:
            try:
                self.begin(await versions())
            except Exception:  # the walk asks again, and then it counts
                logger.info("no head start", exc_info=True)

        self._preparing = asyncio.create_task(begin())

    def begin(self, versions: Sequence[Version], prompt: str | None = None) -> None:
        """Begins with these versions, or those of them that have this prompt.

        What was begun with others is called off.
        """
        self.keep(versions)
        begun = [order for order, _ in self._begun]
        for order in self._orders(versions):
            if order not in begun and prompt in (None, order.prompt):
                self._begun.append((order, asyncio.create_task(self._generate(order))))

    def keep(self, versions: Sequence[Version]) -> None:
        """Calls off what was begun with others than these versions."""
        wanted = self._orders(versions)
        for order, task in list(self._begun):
            if order not in wanted:
                self._call_off(order, task)

    def take(self, order: GenerationRequest) -> asyncio.Task[Generation] | None:
        """The generation that was begun with this very order and has not failed; or None."""
        for begun, task in self._begun:
            if begun == order:
                self._begun.remove((begun, task))
                failed = task.done() and (task.cancelled() or task.exception())
                return None if failed else task
        return None

    def stop_preparing(self) -> None:
        """The verdict is there: what is not prepared by now comes too late."""
        if self._preparing is not None:
            self._preparing.cancel()
            self._preparing = None

    def drop(self) -> None:
        """Calls off all that was not taken."""
        self.stop_preparing()
        for order, task in list(self._begun):
            self._call_off(order, task)

    def _call_off(self, order: GenerationRequest, task: asyncio.Task[Generation]) -> None:
        self._begun.remove((order, task))
        self.wasted += 1
        task.cancel()
        # Seen here, so that the loop does not report a failure as lost.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
