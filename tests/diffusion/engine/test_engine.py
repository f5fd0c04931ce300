"""The engine with plain programs: small functions that ask for calls of small models."""

import asyncio
import gc
import random
import threading
import time
import weakref
from collections.abc import Callable
from functools import partial

import pytest
import pytest_asyncio
import torch
from torch._C._profiler import _ExperimentalConfig
from torch.profiler import profile

from deployments.diffusion.config import RetrySlots
from deployments.diffusion.engine.calls import Ask, Call
from deployments.diffusion.engine.door import Door
from deployments.diffusion.engine.engine import Engine, Program, logger
from deployments.diffusion.engine.row_cap import Clock, RowCosts
from deployments.diffusion.engine.schedule import Demand, QueueDiscipline, by_rows
from deployments.errors import Cancelled, Overloaded, RequestError, StageFailed

CAP = 4
PATIENCE = 30.0
"""Seconds after which a test that waits for the thread has failed."""
STALL_SECONDS, EXPECTED_SECONDS = 60.0, 3.0


class Hands:
    """A clock that only the test moves; in seconds."""

    def __init__(self) -> None:
        self.time = 0.0

    def __call__(self) -> float:
        return self.time


def started(
    *,
    max_waiting: int = 1000,
    discipline: QueueDiscipline | None = None,
    now: Callable[[], float] = time.monotonic,
) -> Engine:
    clock = Clock(RowCosts(CAP, {1: 1.0, CAP: 1.0}))
    door = Door("diffusion", clock, max_waiting, 1e6, RetrySlots())
    discipline = discipline or by_rows(lambda lane: CAP)
    return Engine(
        "diffusion",
        discipline,
        lambda lane: CAP,
        clock,
        door,
        stall_seconds=STALL_SECONDS,
        expected_seconds=EXPECTED_SECONDS,
        now=now,
    )


@pytest_asyncio.fixture
async def engine():
    engine = started()
    yield engine
    engine.close()


class Model:
    """A model of one line; `sizes` are the rows of each of its calls. Values below 0 are errors."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.grad_modes: set[bool] = set()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(x))
        self.grad_modes.add(torch.is_grad_enabled())
        if (x < 0).any():
            raise RuntimeError("below zero")
        return 0.5 * x + 1


class Gate(Model):
    """Says when a call is under way, and lets it go on when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.open = threading.Event()

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        self.entered.set()
        assert self.open.wait(PATIENCE)
        return super().__call__(x)

    async def under_way(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, PATIENCE)


def asked(ask: Ask, model: Callable, x: torch.Tensor, lane=None) -> torch.Tensor:
    return ask(Call(model, (x,), {}, len(x), lane))


def steps(model: Callable, start: float, count: int, ask: Ask, *, rows: int = 1) -> float:
    """A program of `count` calls, each on the answer of the one before."""
    x = torch.full((rows, 2), start)
    for _ in range(count):
        x = asked(ask, model, x)
    return x.sum().item()


def alone(start: float, count: int, *, rows: int = 1) -> float:
    """The result of `steps` run alone."""
    return steps(Model(), start, count, Call.run, rows=rows)


async def begun(
    engine: Engine, *programs: Program, demand: Demand | None = None
) -> list[asyncio.Task]:
    """Programs that were asked for together; the engine has been told of them."""
    tasks = [asyncio.create_task(engine.run(program, demand or Demand())) for program in programs]
    await turns()
    return tasks


async def turns(n: int = 5) -> None:
    for _ in range(n):
        await asyncio.sleep(0)


def wait_until(true: Callable[[], bool]) -> None:
    """Blocks until the condition holds."""
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def healthy(engine: Engine) -> bool:
    try:
        engine.check_health()
    except StageFailed:
        return False
    return True


async def held(engine: Engine) -> tuple[Gate, asyncio.Task]:
    """A gate on a lane of its own; the engine's thread is in its call."""
    gate = Gate()
    (task,) = await begun(engine, partial(steps, gate, 0.0, 1), demand=Demand(lane="gate"))
    await gate.under_way()
    return gate, task


async def unharmed(engine: Engine) -> None:
    """Later programs are served as before, and nothing is left behind."""
    assert await engine.run(partial(steps, Model(), 3.0, 4), Demand()) == alone(3.0, 4)
    assert (engine.stats()["jobs"], engine.stats()["waiting"]) == (0, 0)
    engine.check_health()


# Results


async def test_a_program_has_its_result(engine):
    assert await engine.run(partial(steps, Model(), 3.0, 4), Demand(steps=4)) == alone(3.0, 4)
    assert engine.stats()["completed"] == 1
    assert (engine.stats()["calls"], engine.stats()["rows"]) == (4, 4)


async def test_a_program_without_calls_is_served_too(engine):
    assert await engine.run(lambda ask: "done", Demand()) == "done"
    assert engine.stats()["calls"] == 0


async def test_many_programs_of_all_kinds_have_their_own_results(engine):
    model, rng = Model(), random.Random(0)
    kinds = [(float(i), rng.randint(1, 9), rng.choice([1, 2, 3, 6])) for i in range(60)]
    results = await asyncio.gather(
        *(
            engine.run(partial(steps, model, start, count, rows=rows), Demand(rows=rows))
            for start, count, rows in kinds
        )
    )
    assert results == [alone(start, n, rows=rows) for start, n, rows in kinds]
    assert max(size for size in model.sizes if size != 6) <= CAP


async def test_calls_of_one_bucket_meet_whatever_their_programs_lengths(engine):
    gate, first = await held(engine)
    model = Model()
    tasks = await begun(engine, *(partial(steps, model, float(n), n) for n in (2, 3, 3, 5)))
    gate.open.set()
    assert await asyncio.gather(*tasks) == [alone(float(n), n) for n in (2, 3, 3, 5)]
    assert model.sizes == [4, 4, 3, 1, 1]
    assert await first == alone(0.0, 1)


async def test_a_program_joins_at_the_next_tick(engine):
    gate = Gate()
    (first,) = await begun(engine, partial(steps, gate, 1.0, 3))
    await gate.under_way()
    (second,) = await begun(engine, partial(steps, gate, 2.0, 2))
    gate.open.set()
    assert await asyncio.gather(first, second) == [alone(1.0, 3), alone(2.0, 2)]
    assert gate.sizes == [1, 2, 2]


async def test_calls_of_different_buckets_take_turns(engine):
    gate, _ = await held(engine)
    models = [Model(), Model()]
    tasks = await begun(engine, *(partial(steps, models[n % 2], float(n), 3) for n in range(4)))
    gate.open.set()
    await asyncio.gather(*tasks)
    assert [model.sizes for model in models] == [[2, 2, 2]] * 2


# Failure


@pytest.mark.parametrize("after", [0, 2])
async def test_a_program_that_raises_fails_alone_and_quotes_nothing(engine, after):
    def broken(ask: Ask) -> None:
        steps(Model(), 1.0, after, ask)
        raise ValueError("a secret prompt")

    failing, fine = await begun(engine, broken, partial(steps, Model(), 3.0, 4))
    with pytest.raises(StageFailed) as failure:
        await failing
    assert str(failure.value) == "diffusion: the model raised ValueError"
    assert isinstance(failure.value.__cause__, ValueError)
    assert await fine == alone(3.0, 4)
    assert (engine.stats()["failed"], engine.stats()["completed"]) == (1, 1)
    await unharmed(engine)


async def test_our_own_errors_come_as_they_are(engine):
    error = RequestError("too long", code="prompt_too_long", param="prompt")

    def refusing(ask: Ask) -> None:
        raise error

    with pytest.raises(RequestError) as refusal:
        await engine.run(refusing, Demand())
    assert refusal.value is error
    await unharmed(engine)


async def test_even_a_panic_fails_alone(engine):
    class Panic(BaseException):
        """As tokenizers in Rust raise it: not an Exception."""

    def panicking(ask: Ask) -> None:
        raise Panic

    task = asyncio.create_task(engine.run(panicking, Demand()))
    with pytest.raises(StageFailed, match="Panic"):
        await asyncio.wait_for(task, PATIENCE)
    await unharmed(engine)


async def test_a_model_call_that_fails_for_one_row_takes_no_other_with_it(engine):
    gate, _ = await held(engine)
    model, starts = Model(), (1.0, -1.0, 2.0)
    tasks = await begun(engine, *(partial(steps, model, start, 2) for start in starts))
    gate.open.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert [results[0], results[2]] == [alone(1.0, 2), alone(2.0, 2)]
    assert isinstance(results[1], StageFailed)
    assert model.sizes == [3, 1, 1, 1, 2]  # together, each alone, and on without the broken one
    await unharmed(engine)


async def test_a_program_may_go_on_after_a_model_call_that_failed(engine):
    def patient(ask: Ask) -> float:
        with pytest.raises(RuntimeError, match="below zero"):
            steps(Model(), -1.0, 1, ask)
        return steps(Model(), 3.0, 1, ask)

    assert await engine.run(patient, Demand()) == alone(3.0, 1)


# Called off


class Endless:
    """A program that ends only where it is stopped; `ended` says that it was."""

    def __init__(self, model: Callable) -> None:
        self.model, self.ended = model, False

    def __call__(self, ask: Ask) -> None:
        try:
            steps(self.model, 1.0, 10**9, ask)
        finally:
            self.ended = True


async def test_a_cancelled_callers_program_ends_within_one_call_and_run_returns_only_then(engine):
    gate = Gate()
    program = Endless(gate)
    (task,) = await begun(engine, program)
    await gate.under_way()
    for _ in range(2):  # however often
        task.cancel()
        await turns()
    assert not task.done()  # the thread is still in its call, so the rows are not free
    assert not program.ended
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert program.ended
    assert gate.sizes == [1]
    assert (engine.stats()["cancelled"], engine.stats()["completed"]) == (1, 0)
    await unharmed(engine)


async def test_programs_that_share_calls_with_a_cancelled_one_go_on(engine):
    gate = Gate()
    tasks = await begun(engine, Endless(gate), partial(steps, gate, 2.0, 3))
    await gate.under_way()
    tasks[0].cancel()
    gate.open.set()
    assert await tasks[1] == alone(2.0, 3)
    with pytest.raises(asyncio.CancelledError):
        await tasks[0]


async def test_a_program_called_off_while_it_waits_never_begins(engine):
    gate = Gate()
    full = Demand(rows=CAP)
    (first,) = await begun(engine, partial(steps, gate, 1.0, 3, rows=CAP), demand=full)
    await gate.under_way()
    waiting = Endless(Model())
    (second,) = await begun(engine, waiting, demand=full)
    assert engine.stats()["waiting"] == 1
    second.cancel()
    await turns()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await second
    assert not waiting.ended
    assert waiting.model.sizes == []
    assert await first == alone(1.0, 3, rows=CAP)


async def test_a_program_that_will_not_end_is_not_waited_for(engine):
    gate = Gate()

    def stubborn(ask: Ask) -> None:
        while True:
            try:
                steps(gate, 1.0, 10**9, ask)
            except Cancelled:
                continue

    (task,) = await begun(engine, stubborn)
    await gate.under_way()
    task.cancel()
    gate.open.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    calls = len(gate.sizes)
    await unharmed(engine)
    assert len(gate.sizes) == calls


async def test_closing_calls_everything_off():
    engine = started()
    gate = Gate()
    running, waiting = Endless(gate), Endless(gate)
    tasks = await begun(engine, running, waiting, demand=Demand(rows=CAP))
    await gate.under_way()
    closing = asyncio.create_task(asyncio.to_thread(engine.close))
    gate.open.set()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        assert isinstance(result, Cancelled)
    await closing
    assert (running.ended, waiting.ended) == (True, False)
    assert engine.stats()["jobs"] == 0


async def test_a_closed_engine_takes_nothing_and_may_be_closed_again():
    engine = started()
    engine.close()
    engine.close()
    with pytest.raises(Cancelled):
        await asyncio.wait_for(engine.run(partial(steps, Model(), 1.0, 1), Demand()), PATIENCE)
    assert engine.stats()["jobs"] == 0


async def test_what_comes_while_the_engine_closes_is_called_off_too():
    engine = started()
    gate, first = await held(engine)
    closing = asyncio.create_task(asyncio.to_thread(engine.close))
    await asyncio.to_thread(wait_until, lambda: not healthy(engine))
    (late,) = await begun(engine, partial(steps, Model(), 1.0, 1))
    gate.open.set()
    results = await asyncio.wait_for(asyncio.gather(first, late, return_exceptions=True), PATIENCE)
    assert isinstance(results[1], Cancelled)
    await closing


@pytest.mark.slow
@pytest.mark.parametrize("end", ["success", "failure", "cancel"])
async def test_a_request_that_is_gone_holds_no_tensors(engine, end, monkeypatch):
    monkeypatch.setattr(logger, "disabled", True)  # pytest keeps what is logged, tracebacks too
    gate, kept = Gate(), []

    def program(ask: Ask) -> None:
        x = torch.ones(1, 2)
        kept.append(weakref.ref(x))
        asked(ask, gate, x)
        if end == "failure":
            raise ValueError

    (task,) = await begun(engine, program)
    await gate.under_way()
    if end == "cancel":
        task.cancel()
        await turns()
    gate.open.set()
    await asyncio.gather(task, return_exceptions=True)
    del task
    async with asyncio.timeout(PATIENCE):
        while kept[0]() is not None:  # the engine's thread may not be idle yet
            await asyncio.sleep(0.01)
            gc.collect()


# Load and health


async def test_the_door_refuses_and_that_is_counted():
    engine = started(max_waiting=1)
    gate = Gate()
    full = Demand(rows=CAP, steps=3)
    (first,) = await begun(engine, partial(steps, gate, 1.0, 3, rows=CAP), demand=full)
    await gate.under_way()
    (second,) = await begun(engine, partial(steps, gate, 1.0, 3, rows=CAP), demand=full)
    assert (engine.stats()["jobs"], engine.stats()["waiting"]) == (2, 1)
    assert engine.stats()["backlog_seconds"] == 2 * 3  # nothing has run yet, at a second a call
    with pytest.raises(Overloaded):
        await engine.run(partial(steps, gate, 1.0, 3), full)
    with pytest.raises(Overloaded):
        engine.check(full.row_steps)
    third = asyncio.create_task(
        engine.run(partial(steps, gate, 1.0, 3, rows=CAP), full, let_in=True)
    )
    gate.open.set()
    await asyncio.gather(first, second, third)
    assert (engine.stats()["refused"], engine.stats()["completed"]) == (2, 3)
    assert engine.stats()["backlog_seconds"] == 0
    engine.close()


async def test_a_call_that_hangs_is_a_failure_of_health():
    hands = Hands()
    engine = started(now=hands)
    gate, task = await held(engine)
    hands.time += STALL_SECONDS
    engine.check_health()
    hands.time += 1
    with pytest.raises(StageFailed, match="no progress for 61 s"):
        engine.check_health()
    gate.open.set()
    await task
    engine.close()


async def test_without_work_no_progress_is_no_fault():
    hands = Hands()
    engine = started(now=hands)
    await engine.run(partial(steps, Model(), 1.0, 1), Demand())
    hands.time += 10 * STALL_SECONDS
    engine.check_health()
    engine.close()


async def test_a_dead_thread_is_a_failure_of_health():
    engine = started()
    engine.close()
    with pytest.raises(StageFailed, match="thread"):
        engine.check_health()


# Grad mode


async def test_no_grad_blocks_that_end_in_any_order_leave_it_off(engine):
    model, seen = Model(), []

    def program(count: int, ask: Ask) -> None:
        steps(model, 1.0, count % 3, ask)
        with torch.no_grad():
            steps(model, 1.0, count, ask)
        steps(model, 1.0, count % 2, ask)
        seen.append(torch.is_grad_enabled())

    gate, _ = await held(engine)
    tasks = await begun(engine, *(partial(program, count) for count in (1, 5, 2, 4)))
    gate.open.set()
    await asyncio.gather(*tasks)
    assert seen == [False] * 4
    assert model.grad_modes == {False}


async def test_a_program_may_switch_it_on_for_itself_alone(engine):
    model, modes = Model(), set()

    def steering(ask: Ask) -> float:
        asked(ask, model, torch.ones(1, 2))
        with torch.enable_grad():
            x = torch.ones(1, 2, requires_grad=True)
            scale = asked(ask, model, x.detach())  # parks while it is on
            assert torch.is_grad_enabled()
            (gradient,) = torch.autograd.grad((scale * x).sum(), x)
        assert not torch.is_grad_enabled()
        return gradient.sum().item()

    def plain(ask: Ask) -> None:
        for _ in range(4):
            with torch.no_grad():
                asked(ask, model, torch.ones(1, 2))
            modes.add(torch.is_grad_enabled())

    gate, _ = await held(engine)
    tasks = await begun(engine, steering, plain, steering)
    gate.open.set()
    assert await asyncio.gather(*tasks) == [3.0, None, 3.0]
    assert modes == {False}
    assert model.grad_modes == {False}


# Soak


@pytest.mark.slow
async def test_two_hundred_programs_of_which_many_are_called_off_leave_nothing(engine):
    rng, model, ended = random.Random(1), Model(), []

    def program(number: int, count: int, rows: int, ask: Ask) -> float:
        try:
            return steps(model, 100.0 + number, count, ask, rows=rows)
        finally:
            ended.append(number)

    kinds = [(number, rng.randint(1, 60), rng.randint(1, 3)) for number in range(200)]
    tasks = []
    for number, count, rows in kinds:
        demand = Demand(rng.choice("ab"), rows, count)
        run = engine.run(partial(program, number, count, rows), demand)
        tasks.append(asyncio.create_task(run))
        await asyncio.sleep(rng.choice([0, 0, 0.001]))
        if rng.random() < 0.5:
            rng.choice(tasks[-16:]).cancel()  # waiting, parked, in a call, or done
    results = await asyncio.gather(*tasks, return_exceptions=True)
    gone = [isinstance(result, asyncio.CancelledError) for result in results]
    for (number, count, rows), result, was_called_off in zip(kinds, results, gone, strict=True):
        assert was_called_off or result == alone(100.0 + number, count, rows=rows)
    assert 0 < sum(gone) < 200
    assert len(ended) == len(set(ended))
    stats = engine.stats()
    assert stats["completed"] >= 200 - sum(gone)  # some were called off just too late
    assert stats["failed"] == 0
    assert (stats["jobs"], stats["waiting"], stats["backlog_seconds"]) == (0, 0, 0)
    await unharmed(engine)


async def test_a_call_that_is_no_step_is_neither_counted_nor_timed(engine):
    def program(ask: Ask) -> None:
        for _ in range(20):
            ask(Call(lambda: None, (), {}, 1, step=False))

    pace = engine.stats()["pace"]
    await engine.run(program, Demand())
    assert (engine.counters.calls, engine.stats()["pace"]) == (0, pace)


async def test_a_call_that_cannot_be_compared_with_others_fails_alone(engine):
    def program(ask: Ask) -> None:
        ask(Call(lambda **_: None, (), {1: "one", "two": 2}, 1))

    other = asyncio.create_task(engine.run(partial(steps, Model(), 1.0, 3), Demand()))
    with pytest.raises(StageFailed):
        await engine.run(program, Demand())
    assert await other == alone(1.0, 3)


async def test_a_loop_that_fails_ends_with_its_requests_and_is_a_failure_of_health():
    engine = started(discipline=lambda waiting, begun: [len(waiting)])
    with pytest.raises(Cancelled):
        await engine.run(partial(steps, Model(), 1.0, 1), Demand())
    with pytest.raises(StageFailed):
        engine.check_health()
    with pytest.raises(Cancelled):
        await engine.run(partial(steps, Model(), 1.0, 1), Demand())


async def test_what_check_let_in_counts_as_work_for_a_while_whether_it_comes_or_not():
    hands = Hands()
    engine = started(now=hands)
    engine.check(600)
    assert engine.stats()["backlog_seconds"] == 600 / CAP
    gate, task = await held(engine)  # comes too, and counts beside it
    assert engine.stats()["backlog_seconds"] == (600 + 1) / CAP
    hands.time += EXPECTED_SECONDS + 1
    assert engine.stats()["backlog_seconds"] == 1 / CAP
    gate.open.set()
    await task
    engine.close()


async def test_a_profile_names_the_parts_of_a_tick(engine):
    def program(ask: Ask) -> None:
        asked(ask, Model(), torch.ones(1, 2))
        ask(Call(lambda: None, (), {}, 1, step=False))

    with profile(experimental_config=_ExperimentalConfig(profile_all_threads=True)) as profiled:
        await engine.run(program, Demand())
    names = {event.key for event in profiled.key_averages()}
    assert {"plan", "gather", "denoise", "settle", "decode"} <= names
