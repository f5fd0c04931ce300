import asyncio
import threading
import time

import pytest

from deployments.classifier.worker import Job, Worker
from deployments.errors import Cancelled, Overloaded, RequestError, StageFailed

PATIENCE = 10.0
"""Seconds after which a test that waits for the thread has failed."""


class Gate:
    """Work that says when a model call is under way, and goes on when it is told to."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.ended = threading.Event()

    def __call__(self, job: Job) -> str:
        try:
            for _ in range(job.planned):
                self.entered.set()
                assert self.open.wait(PATIENCE)
                job.called()
        finally:
            self.ended.set()
        return "done"

    async def under_way(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, PATIENCE)


@pytest.fixture
def worker():
    worker = Worker("diffusion", max_queued=1, stall_seconds=60.0)
    yield worker
    worker.close()


async def turns(n: int = 5) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


async def test_a_job_runs_and_its_calls_are_counted(worker):
    gate = Gate()
    gate.open.set()
    assert await worker.run(gate, planned=3) == "done"
    assert worker.stats()["calls"] == 3
    assert (worker.stats()["completed"], worker.stats()["jobs"]) == (1, 0)


async def test_a_cancelled_request_stops_its_job_within_one_call_and_waits_for_the_thread(worker):
    gate = Gate()
    task = asyncio.create_task(worker.run(gate, planned=50))
    await gate.under_way()
    task.cancel()
    await turns()
    assert not task.done()  # the thread is still in its call, so the slot is not free
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.ended.is_set()
    assert worker.stats()["calls"] == 1
    assert (worker.stats()["cancelled"], worker.stats()["jobs"]) == (1, 0)


async def test_cancelling_twice_still_waits_for_the_thread(worker):
    gate = Gate()
    task = asyncio.create_task(worker.run(gate, planned=50))
    await gate.under_way()
    for _ in range(2):
        task.cancel()
        await turns()
    assert not task.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.ended.is_set()


async def test_a_job_cancelled_in_the_queue_leaves_at_once_and_never_runs(worker):
    running, waiting = Gate(), Gate()
    first = asyncio.create_task(worker.run(running))
    await running.under_way()
    second = asyncio.create_task(worker.run(waiting))
    await turns()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    running.open.set()
    assert await first == "done"
    assert not waiting.entered.is_set()


async def test_a_full_queue_refuses_at_once_with_the_time_that_the_backlog_takes(worker):
    measured = Gate()
    measured.open.set()
    await worker.run(measured, planned=2)
    worker.counters.seconds_per_call = 0.5
    gate = Gate()
    tasks = [asyncio.create_task(worker.run(gate, planned=10)) for _ in range(2)]
    await gate.under_way()
    with pytest.raises(Overloaded) as refusal:
        await worker.run(gate, planned=10)
    assert refusal.value.retry_after == pytest.approx(10.0)
    gate.open.set()
    assert await asyncio.gather(*tasks) == ["done", "done"]


async def test_a_failing_model_frees_the_worker_and_keeps_its_message_from_the_caller(worker):
    def fails(job: Job) -> None:
        raise RuntimeError("could not draw 'the secret prompt'")

    with pytest.raises(StageFailed) as failure:
        await worker.run(fails)
    assert "secret" not in str(failure.value)
    assert isinstance(failure.value.__cause__, RuntimeError)
    gate = Gate()
    gate.open.set()
    assert await worker.run(gate) == "done"
    assert worker.stats()["failed"] == 1


async def test_our_own_errors_pass_as_they_are(worker):
    def refuses(job: Job) -> None:
        raise RequestError("too long", code="prompt_too_long", param="prompt")

    with pytest.raises(RequestError, match="too long"):
        await worker.run(refuses)


async def test_many_hang_ups_leave_a_worker_that_serves(worker):
    for _ in range(50):
        gate = Gate()
        task = asyncio.create_task(worker.run(gate, planned=20))
        await gate.under_way()
        task.cancel()
        await turns()
        gate.open.set()
        await asyncio.wait({task})
    assert worker.stats()["calls"] == worker.stats()["cancelled"] == 50
    gate = Gate()
    gate.open.set()
    assert await worker.run(gate) == "done"


async def test_a_thread_that_hangs_is_unhealthy_and_an_idle_one_is_not():
    worker = Worker("diffusion", max_queued=1, stall_seconds=0.0)
    worker.check_health()
    gate = Gate()
    task = asyncio.create_task(worker.run(gate))
    await gate.under_way()
    with pytest.raises(StageFailed, match="no progress"):
        worker.check_health()
    gate.open.set()
    await task
    worker.check_health()
    worker.close()


async def test_closing_calls_off_what_runs(worker):
    under_way = threading.Event()

    def endless(job: Job) -> None:
        while True:
            under_way.set()
            time.sleep(0.001)
            job.called()

    task = asyncio.create_task(worker.run(endless))
    assert await asyncio.to_thread(under_way.wait, PATIENCE)
    await asyncio.to_thread(worker.close)
    with pytest.raises(Cancelled):
        await task
