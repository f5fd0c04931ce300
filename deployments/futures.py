"""Waiting for work that goes on elsewhere, on a thread that cannot be killed."""

import asyncio


async def ended(future: asyncio.Future) -> None:
    """Waits until the future is done, however often the waiting task is cancelled."""
    while not future.done():
        try:
            await asyncio.wait({future})
        except asyncio.CancelledError:
            continue
    if not future.cancelled():
        future.exception()  # seen here, so that the loop does not report it as lost
