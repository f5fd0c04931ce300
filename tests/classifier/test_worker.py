"""One thread for a model: what is cancelled, refused, failed and closed leaves it whole."""

import asyncio
import threading

import pytest

from deployments.classifier.worker import Worker
from deployments.errors import Cancelled, Overloaded, RequestError, StageFailed

PATIENCE = 30.0
"""Seconds after which a thread that waits for a test that went wrong gives up."""


class Gate:
    """A call that says when it is under way, and returns when it is told to."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.entered = asyncio.Event()
        self.open = threading.Event()
        self.ended = False

    def __call__(self) -> str:
        self.loop.call_soon_threadsafe(self.entered.set)
        assert self.open.wait(PATIENCE)
        self.ended = True
        return "done"


@pytest.fixture
def worker():
    worker = Worker("classifier", max_queued=1, stall_seconds=60.0)
    yield worker
    worker.close()


async def turns(n: int = 5) -> None:
    """Lets every task that can go on do so."""
    for _ in range(n):
        await asyncio.sleep(0)


async def started(worker: Worker) -> tuple[Gate, asyncio.Task]:
    """A call that is under way."""
    gate = Gate()
    task = asyncio.create_task(worker.run(gate))
    await gate.entered.wait()
    return gate, task


async def test_a_call_s_result_is_returned(worker):
    assert await worker.run(lambda: 7) == 7


@pytest.mark.parametrize("times", [1, 2])
async def test_who_cancels_a_running_call_waits_until_the_thread_has_left_it(worker, times):
    gate, task = await started(worker)
    for _ in range(times):
        task.cancel()
        await turns()
    assert not task.done()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.ended


async def test_a_cancelled_call_keeps_its_place_until_the_thread_has_left_it():
    worker = Worker("classifier", max_queued=0, stall_seconds=60.0)
    gate, task = await started(worker)
    task.cancel()
    await turns()
    with pytest.raises(Overloaded):
        await worker.run(lambda: 7)
    gate.open.set()
    await asyncio.wait({task})
    assert await worker.run(lambda: 7) == 7
    worker.close()


async def test_a_call_cancelled_in_the_queue_leaves_at_once_and_never_runs(worker):
    gate, first = await started(worker)
    waiting = Gate()
    second = asyncio.create_task(worker.run(waiting))
    await turns()
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.open.set()
    assert await first == "done"
    assert await worker.run(lambda: 7) == 7  # the thread has passed the cancelled call by
    assert not waiting.entered.is_set()


async def test_calls_run_one_at_a_time_in_the_order_in_which_they_came():
    worker = Worker("classifier", max_queued=7, stall_seconds=60.0)
    seen: list[tuple[int, str]] = []

    def call(number: int) -> None:
        seen.extend([(number, threading.current_thread().name), (number, "ended")])

    await asyncio.gather(*(worker.run(lambda n=n: call(n)) for n in range(8)))
    (thread,) = {name for _, name in seen} - {"ended"}
    assert seen == [(n, name) for n in range(8) for name in (thread, "ended")]
    worker.close()


async def test_a_full_queue_refuses_at_once(worker):
    gate, first = await started(worker)
    second = asyncio.create_task(worker.run(lambda: "second"))
    await turns()
    with pytest.raises(Overloaded) as refusal:
        await worker.run(lambda: "third")
    assert (refusal.value.stage, refusal.value.retry_after) == ("classifier", 1.0)
    gate.open.set()
    assert await asyncio.gather(first, second) == ["done", "second"]
    assert await worker.run(lambda: "fourth") == "fourth"


async def test_a_failing_model_frees_the_worker_and_keeps_its_message_from_the_caller(worker):
    def fails() -> None:
        raise RuntimeError("could not see 'the secret prompt'")

    with pytest.raises(StageFailed) as failure:
        await worker.run(fails)
    assert "secret" not in str(failure.value)
    assert isinstance(failure.value.__cause__, RuntimeError)
    assert await worker.run(lambda: 7) == 7


async def test_our_own_errors_pass_as_they_are(worker):
    def refuses() -> None:
        raise RequestError("too long", code="prompt_too_long", param="prompt")

    with pytest.raises(RequestError, match="too long"):
        await worker.run(refuses)


async def test_many_hang_ups_leave_a_worker_that_serves(worker):
    for _ in range(50):
        gate, task = await started(worker)
        task.cancel()
        await turns()
        gate.open.set()
        await asyncio.wait({task})
    assert await worker.run(lambda: 7) == 7


async def test_a_thread_that_hangs_is_unhealthy_and_an_idle_one_is_not():
    worker = Worker("classifier", max_queued=1, stall_seconds=0.0)
    worker.check_health()
    gate, task = await started(worker)
    with pytest.raises(StageFailed, match="no progress"):
        worker.check_health()
    gate.open.set()
    await task
    worker.check_health()
    worker.close()


async def test_closing_drops_what_waits_and_lets_what_runs_end(worker):
    gate, first = await started(worker)
    waiting = Gate()
    second = asyncio.create_task(worker.run(waiting))
    await turns()
    closing = asyncio.create_task(asyncio.to_thread(worker.close))
    with pytest.raises(Cancelled):
        await second
    gate.open.set()
    assert await first == "done"
    await closing
    assert not waiting.entered.is_set()
