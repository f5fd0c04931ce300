"""One thread for a model, one bounded queue before it, and a way to call each job off.

Models are not thread-safe and a thread cannot be killed, so a cancelled request must raise its
job's flag and then wait for the thread: a slot that is free while the device still works would let
the next request in beside it.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TypeVar

from deployments.errors import Cancelled, Overloaded, SafelightError, StageFailed
from deployments.futures import ended

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

SMOOTHING = 0.2
"""Weight of the newest model call in the running mean of their duration."""


@dataclass
class Counters:
    """What the worker has done since it started.

    The thread writes `calls` and `seconds_per_call`, the event loop the three outcomes.
    """

    calls: int = 0
    seconds_per_call: float = 0.0
    completed: int = 0
    cancelled: int = 0
    failed: int = 0


class Job:
    """One job's ticket: how many model calls are planned and made, and the flag that ends it."""

    def __init__(self, planned: int, called: Callable[[], None] = lambda: None) -> None:
        self.planned = planned
        self.calls = 0
        self._note = called
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """Asks the job to stop at its next model call; harmless when it is over."""
        self._cancelled.set()

    def check(self) -> None:
        """Raises Cancelled when nobody wants the job any more."""
        if self._cancelled.is_set():
            raise Cancelled("the job was called off")

    def called(self) -> None:
        """Notes one finished model call. Raises Cancelled as `check` does."""
        self.calls += 1
        self._note()
        self.check()


class Worker:
    """Runs jobs one after the other on a thread of its own.

    Args:
        stage: the service's name, for errors.
        max_queued: jobs that may wait behind the running one.
        stall_seconds: a pause between model calls that is longer means that the thread hangs.
    """

    def __init__(self, stage: str, max_queued: int, stall_seconds: float) -> None:
        self.counters = Counters()
        self._stage = stage
        self._max_queued = max_queued
        self._stall_seconds = stall_seconds
        self._jobs: set[Job] = set()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=stage)
        self._progress = time.monotonic()

    async def run(self, work: Callable[[Job], Result], planned: int = 1) -> Result:
        """Queues `work`, awaits it, and calls it off when the caller is cancelled.

        When this returns or raises, the thread no longer works for the job.

        Args:
            work: called on the worker's thread; reports every model call to its job.
            planned: the model calls that it means to make.

        Raises:
            Overloaded: the queue is full; `retry_after` is the time that the backlog takes.
            Cancelled: the worker was closed.
            StageFailed: the work raised something outside our own errors.
        """
        if len(self._jobs) > self._max_queued:
            raise Overloaded(self._stage, "the queue is full", self.backlog_seconds())
        if not self._jobs:
            self._progress = time.monotonic()
        job = Job(planned, self._note_call)
        self._jobs.add(job)
        try:
            result = await self._finished(work, job)
        except (asyncio.CancelledError, Cancelled):
            self.counters.cancelled += 1
            raise
        except BaseException:
            self.counters.failed += 1
            raise
        finally:
            self._jobs.discard(job)
        self.counters.completed += 1
        return result

    def backlog_seconds(self) -> float:
        """How long the jobs at hand will take, from the measured duration of a model call."""
        calls = sum(max(job.planned - job.calls, 0) for job in self._jobs)
        return calls * self.counters.seconds_per_call

    def stats(self) -> dict[str, float]:
        """The counters, and how many jobs are at hand, the running one included."""
        return asdict(self.counters) | {"jobs": len(self._jobs)}

    def check_health(self) -> None:
        """Raises StageFailed when there is work but no model call for too long."""
        idle = time.monotonic() - self._progress
        if self._jobs and idle > self._stall_seconds:
            raise StageFailed(self._stage, f"no progress for {idle:.0f} s")

    def close(self) -> None:
        """Calls off all jobs and waits for the thread to end."""
        for job in tuple(self._jobs):
            job.cancel()
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _finished(self, work: Callable[[Job], Result], job: Job) -> Result:
        submitted = self._thread.submit(self._work, work, job)
        finished = asyncio.wrap_future(submitted)
        try:
            # Waiting, unlike awaiting, leaves the thread's future alone when we are cancelled.
            await asyncio.wait({finished})
        except asyncio.CancelledError:
            job.cancel()
            submitted.cancel()  # succeeds only while the job still waits for its turn
            await ended(finished)
            raise
        return finished.result()

    def _work(self, work: Callable[[Job], Result], job: Job) -> Result:
        self._progress = time.monotonic()
        try:
            job.check()
            return work(job)
        except SafelightError:
            raise
        except Exception as error:
            # Messages of libraries may quote the prompt; the log has them, the caller has not.
            logger.exception("%s: a job failed", self._stage)
            raise StageFailed(self._stage, f"the model raised {type(error).__name__}") from error
        finally:
            self._progress = time.monotonic()

    def _note_call(self) -> None:
        now = time.monotonic()
        took, mean = now - self._progress, self.counters.seconds_per_call
        self.counters.seconds_per_call = mean + SMOOTHING * (took - mean) if mean else took
        self.counters.calls += 1
        self._progress = now
