"""One thread for a model, and a bounded queue before it."""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from deployments.errors import Cancelled, Overloaded, SafelightError, StageFailed
from deployments.futures import ended

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class Worker:
    """Makes calls one after the other on a thread of its own.

    Models are not thread-safe, and a thread cannot be killed. So a caller that is cancelled waits
    until the thread has left its call: the place in the queue is free only then.

    Args:
        stage: the service's name, for errors.
        max_queued: calls that may wait behind the running one.
        stall_seconds: a call that takes longer means that the thread hangs.
    """

    def __init__(self, stage: str, max_queued: int, stall_seconds: float) -> None:
        self._stage = stage
        self._max_queued = max_queued
        self._stall_seconds = stall_seconds
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=stage)
        self._pending = 0
        self._began: float | None = None
        self._last_seconds = 0.0

    async def run(self, call: Callable[[], Result]) -> Result:
        """Queues `call` and awaits its result; when this ends, the thread does not work on it.

        Raises:
            Overloaded: the queue is full; `retry_after` is the time that the backlog takes if each
                call takes as long as the last one.
            Cancelled: the worker was closed before the call's turn.
            StageFailed: the call raised something outside our own errors.
        """
        if self._pending > self._max_queued:
            backlog = self._pending * self._last_seconds
            raise Overloaded(self._stage, "the queue is full", backlog)
        submitted = self._thread.submit(self._call, call)
        finished = asyncio.wrap_future(submitted)
        self._pending += 1
        try:
            # `wait` leaves the thread's future alone when this task is cancelled; `await` does not.
            await asyncio.wait({finished})
        except asyncio.CancelledError:
            submitted.cancel()  # has an effect only while the call waits for its turn
            await ended(finished)
            raise
        finally:
            self._pending -= 1
        if finished.cancelled():
            raise Cancelled("the worker was closed")
        return finished.result()

    def check_health(self) -> None:
        """Raises StageFailed when the running call takes too long."""
        began = self._began
        if began is not None and (took := time.monotonic() - began) > self._stall_seconds:
            raise StageFailed(self._stage, f"no progress for {took:.0f} s")

    def close(self) -> None:
        """Drops the calls that wait, and returns when the running one has ended."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _call(self, call: Callable[[], Result]) -> Result:
        self._began = began = time.monotonic()
        try:
            return call()
        except SafelightError:
            raise
        except Exception as error:
            # A library's message may quote the prompt: it is for the log, not for the caller.
            logger.exception("%s: a call failed", self._stage)
            raise StageFailed(self._stage, f"the model raised {type(error).__name__}") from error
        finally:
            self._began, self._last_seconds = None, time.monotonic() - began
