"""Waiting for work that goes on elsewhere."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

Result = TypeVar("Result")


async def all_of(work: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """The results of all coroutines, in order. Where one fails the others are cancelled.

    Raises:
        Exception: the first failure, as it is.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except ExceptionGroup as failures:
        first = failures.exceptions[0]
        raise first from first.__cause__
    return [task.result() for task in tasks]


async def ended(future: asyncio.Future) -> None:
    """Waits until the future is done, however often the waiting task is cancelled.

    For a future whose work runs on a thread, which cannot be killed.
    """
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            continue
    if not future.cancelled():
        future.exception()  # seen here, so that the loop does not report it as lost
