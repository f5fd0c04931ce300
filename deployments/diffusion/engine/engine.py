"""The loop: plan, run, settle. One thread, one greenlet for each request, one model call a tick.

A request is a program: a function that takes `ask` and asks for the model calls that it needs, as
it goes. Its greenlet is parked in `ask` until the call has run. So a request joins at the next tick
and leaves when its program ends. Models are not thread-safe, and a thread cannot be killed: here
only the loop runs models, and a cancelled program ends where it is parked, within a tick.

For profilers a tick has the ranges `plan`, `gather`, `denoise` or `decode`, and `settle`; within
`settle`, programs have `steer`.
"""

import asyncio
import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, TypeVar

import torch
from greenlet import getcurrent, greenlet
from torch.profiler import record_function

from deployments.diffusion.engine.calls import Ask, Call, apart, joined
from deployments.diffusion.engine.door import Door
from deployments.diffusion.engine.row_cap import Clock
from deployments.diffusion.engine.schedule import Demand, Parked, QueueDiscipline, Schedule
from deployments.errors import Cancelled, Overloaded, SafelightError, StageFailed
from deployments.futures import ended

logger = logging.getLogger(__name__)

Result = TypeVar("Result")
Program: TypeAlias = Callable[[Ask], Result]


@dataclass
class Counters:
    """What the engine has done since it started.

    `calls` and `rows` are the denoiser's. `calls_after_cancel` is the highest number of calls that
    any request had after its caller was gone; `rows_called_off` are the rows run for requests that
    were cancelled.
    """

    calls: int = 0
    rows: int = 0
    completed: int = 0
    cancelled: int = 0
    failed: int = 0
    refused: int = 0
    calls_after_cancel: int = 0
    rows_called_off: int = 0


@dataclass
class _Request:
    """A request in the engine: its greenlet once it has begun, the call in which it is parked."""

    program: Program[Any]
    demand: Demand
    done: Callable[[Any, BaseException | None], None]
    thread: greenlet | None = None
    call: Call | None = None
    calls: int = 0
    rows: int = 0
    grad: bool = False

    def resume(self, switch: Callable[..., Any], *values: Any) -> Any:
        """Lets the program go on until it asks for a call or ends.

        Programs are parked within blocks such as `no_grad` and leave them in any order. The mode
        belongs to the thread: so each program gets its own mode back, and the loop has it off.
        """
        torch.set_grad_enabled(self.grad)
        try:
            return switch(*values)
        finally:
            self.grad = torch.is_grad_enabled()
            torch.set_grad_enabled(False)

    @property
    def row_steps_left(self) -> int:
        """Rows times calls that the program still means to make."""
        return max(self.demand.row_steps - self.rows, 0)


class Engine:
    """Runs programs, and their model calls together.

    Args:
        stage: the service's name, for errors.
        discipline: which requests begin; see schedule.py.
        cap: lane -> rows that one call may have.
        clock: told how long calls take.
        door: says which requests may come in.
        stall_seconds: longest time between two calls while there is work.
        expected_seconds: how long work that `check` has let in counts as work at hand.
        now: seconds.
    """

    def __init__(
        self,
        stage: str,
        discipline: QueueDiscipline,
        cap: Callable[[Any], int],
        clock: Clock,
        door: Door,
        *,
        stall_seconds: float = 120.0,
        expected_seconds: float = 3.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.counters = Counters()
        self._stage, self._cap, self._clock, self._now = stage, cap, clock, now
        self._door = door
        self._stall_seconds, self._expected_seconds = stall_seconds, expected_seconds
        self._schedule = Schedule(discipline)
        self._requests: dict[int, _Request] = {}  # the thread's own
        self._at_hand: dict[int, _Request] = {}  # the event loop's, from asking to answer
        self._ids = itertools.count()
        self._messages: deque[Callable[[], None]] = deque()
        self._news = threading.Condition()
        self._closing = False
        self._progress = self._noted = now()
        self._expected: deque[tuple[float, int]] = deque()  # when `check` let in row-steps
        self._thread = threading.Thread(target=self._loop, name=f"{stage}-engine", daemon=True)
        self._thread.start()

    def check(self, row_steps: int) -> None:
        """Lets work of `row_steps` row-steps in. It is expected then, and need not ask again.

        Raises:
            Overloaded: there is no room; `retry_after` says when to come back.
        """
        self._enter(row_steps)
        self._expected.append((self._now(), row_steps))

    async def run(
        self, program: Program[Result], demand: Demand, *, let_in: bool = False
    ) -> Result:
        """Runs a program, and calls it off when the caller is cancelled.

        When this returns or raises, the engine no longer works for the program.

        Args:
            let_in: whether `check` has let it in already.

        Raises:
            Overloaded: as `check`.
            Cancelled: the engine was closed.
            StageFailed: the program raised something outside our own errors.
        """
        if not let_in:
            self._enter(demand.row_steps)
        if not self._at_hand:
            self._progress = self._now()
        loop, number = asyncio.get_running_loop(), next(self._ids)
        finished: asyncio.Future[Result] = loop.create_future()

        def done(result: Any, error: BaseException | None) -> None:
            loop.call_soon_threadsafe(_finish, finished, result, error)

        request = self._at_hand[number] = _Request(program, demand, done)
        try:
            self._tell(lambda: self._add(number, request))
            # Waiting, unlike awaiting, leaves the future alone when we are cancelled.
            await asyncio.wait({finished})
        except asyncio.CancelledError:
            calls = request.calls
            with suppress(Cancelled):  # closing, the engine calls it off itself
                self._tell(lambda: self._cancel(number, calls))
            await ended(finished)
            raise
        finally:
            del self._at_hand[number]
        return finished.result()

    def stats(self) -> dict[str, float]:
        """The counters, and how much work is at hand."""
        return asdict(self.counters) | {
            "jobs": len(self._at_hand),
            "waiting": self._waiting(),
            "pace": self._clock.pace,
            "backlog_seconds": self._clock.seconds(self._backlog()),
        }

    def check_health(self) -> None:
        """Raises StageFailed when the thread is dead, or there is work but no progress."""
        if self._closing or not self._thread.is_alive():
            raise StageFailed(self._stage, "its thread has ended")
        idle = self._now() - self._progress
        if self._at_hand and idle > self._stall_seconds:
            raise StageFailed(self._stage, f"no progress for {idle:.0f} s")

    def close(self) -> None:
        """Calls everything off and waits for the thread to end."""
        with self._news:
            self._closing = True
            self._news.notify()
        self._thread.join()

    def _waiting(self) -> int:
        return sum(request.thread is None for request in self._at_hand.values())

    def _backlog(self) -> int:
        """Row-steps at hand, and those that were let in lately and may not have come yet."""
        latest = self._now() - self._expected_seconds
        while self._expected and self._expected[0][0] < latest:
            self._expected.popleft()
        expected = sum(row_steps for _, row_steps in self._expected)
        return expected + sum(request.row_steps_left for request in self._at_hand.values())

    def _enter(self, row_steps: int) -> None:
        try:
            self._door.enter(self._waiting(), self._backlog(), row_steps)
        except Overloaded:
            self.counters.refused += 1
            raise

    def _tell(self, message: Callable[[], None]) -> None:
        with self._news:
            if self._closing:
                raise Cancelled("the engine is closed")
            self._messages.append(message)
            self._news.notify()

    # On the engine's thread alone.

    def _loop(self) -> None:
        torch.set_grad_enabled(False)
        try:
            while not self._closing:
                self._listen(wait=not len(self._schedule))
                for number in self._schedule.begin():
                    self._begin(number)
                with record_function("plan"):
                    planned = self._schedule.plan()
                if planned:
                    self._run([self._requests[number] for number in planned], planned)
        except Exception:
            # An error that no request caused ends the thread; the replica is unhealthy then.
            logger.exception("%s: the engine's loop failed", self._stage)
        finally:
            with self._news:
                self._closing = True
            self._listen(wait=False)
            for number, request in list(self._requests.items()):
                self._cancel(number, request.calls)

    def _listen(self, *, wait: bool) -> None:
        """Runs the messages; in a frame of its own, so that an idle loop holds no request."""
        with self._news:
            while wait and not self._messages and not self._closing:
                self._news.wait()
                self._noted = self._now()
            messages = list(self._messages)
            self._messages.clear()
        for message in messages:
            message()

    def _add(self, number: int, request: _Request) -> None:
        self._requests[number] = request
        self._schedule.add(number, request.demand)

    def _begin(self, number: int) -> None:
        request, loop = self._requests[number], getcurrent()
        request.thread = greenlet(lambda: request.program(loop.switch))
        self._resume(number, request.thread.switch)

    def _run(self, requests: list[_Request], planned: list[int]) -> None:
        calls = [request.call for request in requests if request.call]
        answers = self._answers(calls)
        self._progress = self._now()
        step, rows = calls[0].step, sum(call.rows for call in calls)
        if step:
            self.counters.calls += 1
            self.counters.rows += rows
        with record_function("settle"):
            for number, request, answer in zip(planned, requests, answers, strict=True):
                self._settle(number, request, answer, step=step)
        if step:
            # All that the thread did since the last step: decoding and beginning too.
            now = self._now()
            self._clock.note(rows, now - self._noted)
            self._noted = now

    def _settle(self, number: int, request: _Request, answer: Any, *, step: bool) -> None:
        """Gives a program the answer to its call, or raises in it the error that stands for one."""
        assert request.thread is not None
        if step:
            request.calls += 1
            request.rows += request.call.rows if request.call else 0
        if isinstance(answer, Exception):
            self._resume(number, request.thread.throw, answer)
        else:
            self._resume(number, request.thread.switch, answer)

    def _answers(self, calls: list[Call]) -> list[Any]:
        """What the model answers to each, or the error that it raised."""
        try:
            return apart(_together(calls), [call.rows for call in calls])
        except Exception:
            logger.exception("%s: a model call of %d requests failed", self._stage, len(calls))
        # Not within the handler, where the traceback still holds the failed call's memory.
        return [_answer(call) for call in calls]

    def _resume(self, number: int, switch: Callable[..., Any], *values: Any) -> None:
        """Lets a program go on until it asks for a call or ends."""
        request = self._requests[number]
        try:
            asked = request.resume(switch, *values)
            assert request.thread is not None
            if not request.thread.dead:
                request.call = asked
                cap = self._cap(request.demand.lane)
                self._schedule.park(number, Parked(asked.bucket, asked.rows, cap))
                return
        except SafelightError as error:
            self._end(number, None, error)
        except BaseException as error:  # panics of tokenizers in Rust are no Exceptions
            # Messages of libraries may quote the prompt; the log has them, the caller has not.
            logger.error("%s: a request failed", self._stage, exc_info=error)
            failure = StageFailed(self._stage, f"the model raised {type(error).__name__}")
            failure.__cause__ = error
            self._end(number, None, failure)
        else:
            self._end(number, asked, None)

    def _cancel(self, number: int, calls: int) -> None:
        """Calls a request off; `calls` is how many it had when its caller said so."""
        if (request := self._requests.get(number)) is None:
            return  # it ended meanwhile
        late = request.calls - calls
        self.counters.calls_after_cancel = max(self.counters.calls_after_cancel, late)
        cancelled = Cancelled("the request was called off")
        if request.thread is None:
            self._end(number, None, cancelled)
            return
        # It ends where it is parked. A program that goes on all the same is not waited for.
        with suppress(BaseException):
            request.resume(request.thread.throw, cancelled)
        self._end(number, None, cancelled)

    def _end(self, number: int, result: Any, error: SafelightError | None) -> None:
        request = self._requests.pop(number)
        self._schedule.remove(number)
        match error:
            case None:
                self.counters.completed += 1
            case Cancelled():
                self.counters.cancelled += 1
                self.counters.rows_called_off += request.rows
            case _:
                self.counters.failed += 1
        request.done(result, error)


def _together(calls: list[Call]) -> Any:
    """The model's answer to the calls as one."""
    with record_function("gather"):
        call = joined(calls)
    with record_function("denoise" if call.step else "decode"):
        return call.run()


def _answer(call: Call) -> Any:
    """The call's own answer, or its error: a broken call must not take others with it."""
    try:
        return call.run()
    except Exception as error:
        return error


def _finish(future: asyncio.Future, result: Any, error: BaseException | None) -> None:
    if not future.done():
        future.set_result(result) if error is None else future.set_exception(error)
