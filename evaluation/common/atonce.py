"""Many questions under way at a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

AT_ONCE = 32
Question = TypeVar("Question")
Answer = TypeVar("Answer")


async def each(
    ask: Callable[[Question], Awaitable[Answer]],
    questions: Sequence[Question],
    at_once: int = AT_ONCE,
) -> list[Answer]:
    """The answers in order, `at_once` questions under way at a time."""
    places = asyncio.Semaphore(at_once)

    async def one(question: Question) -> Answer:
        async with places:
            return await ask(question)

    return await asyncio.gather(*map(one, questions))


async def timed(
    ask: Callable[[Question], Awaitable[object]], questions: Sequence[Question], at_once: int
) -> dict[str, list[float] | float]:
    """Milliseconds of each answer, waiting for a turn left out, and answers per second."""

    async def one(question: Question) -> float:
        started = time.perf_counter()
        await ask(question)
        return (time.perf_counter() - started) * 1000

    started = time.perf_counter()
    spans = await each(one, questions, at_once)
    return {"ms": spans, "per_second": len(questions) / (time.perf_counter() - started)}
