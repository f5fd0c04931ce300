"""Denoising that begins while a language model still decides about the prompt.

The rules have let the user's prompt pass by then, but nobody has admitted it: nothing of a head
start leaves unless the very same request is made after the verdict. What is requested otherwise, or
blocked, is called off within a step; its row-steps were wasted.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from deployments.contracts import Generation, GenerationRequest, Version

logger = logging.getLogger(__name__)

Requests = Callable[[Sequence[Version]], list[GenerationRequest]]
"""What would be drawn from these versions, one request for each picture."""


class HeadStart:
    """The pictures of one job that are begun early. Used once, and dropped in the end.

    Without arguments it begins nothing.
    """

    def __init__(
        self,
        requests: Requests | None = None,
        generate: Callable[[GenerationRequest], Coroutine[Any, Any, Generation]] | None = None,
    ) -> None:
        self._requests, self._generate = requests, generate
        self._preparing: asyncio.Task[None] | None = None
        self._begun: list[tuple[GenerationRequest, asyncio.Task[Generation]]] = []
        self._wasted = 0

    def prepare(self, versions: Callable[[], Awaitable[Sequence[Version]]]) -> None:
        """Asks for versions and begins with them. If that fails, nothing begins."""
        if self._requests is None:
            return

        async def begin() -> None:
            try:
                self.begin(await versions())
            except Exception:  # the walk asks again, and then it counts
                logger.info("no head start", exc_info=True)

        self._preparing = asyncio.create_task(begin())

    def begin(self, versions: Sequence[Version], prompt: str | None = None) -> None:
        """Begins with these versions, or with those of them that have this prompt.

        What was begun with others is called off.
        """
        if self._requests is None or self._generate is None:
            return
        self.keep(versions)
        begun = [request for request, _ in self._begun]
        for request in self._requests(versions):
            if request not in begun and prompt in (None, request.prompt):
                self._begun.append((request, asyncio.create_task(self._generate(request))))

    def keep(self, versions: Sequence[Version]) -> None:
        """Calls off what was begun with others than these versions."""
        wanted = self._requests(versions) if self._requests else []
        for request, task in list(self._begun):
            if request not in wanted:
                self._call_off(request, task)

    def take(self, request: GenerationRequest) -> asyncio.Task[Generation] | None:
        """The generation that was begun with this very request and has not failed; or None."""
        for begun, task in self._begun:
            if begun == request:
                self._begun.remove((begun, task))
                failed = task.done() and (task.cancelled() or task.exception())
                return None if failed else task
        return None

    def stop_preparing(self) -> None:
        """The verdict is there: what is not prepared by now comes too late."""
        if self._preparing is not None:
            self._preparing.cancel()
            self._preparing = None

    def drop(self) -> int:
        """Calls off all that was not taken; how many were called off since the beginning."""
        self.stop_preparing()
        for request, task in list(self._begun):
            self._call_off(request, task)
        return self._wasted

    def _call_off(self, request: GenerationRequest, task: asyncio.Task[Generation]) -> None:
        self._begun.remove((request, task))
        self._wasted += 1
        task.cancel()
        # Seen here, so that the loop does not report a failure as lost.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
