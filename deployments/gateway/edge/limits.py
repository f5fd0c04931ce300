"""How much one gateway holds at the same time: requests, bytes, and how long a body may take."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.requests import ClientDisconnect, Request

from deployments.errors import Overloaded, RequestError

BUSY_SECONDS = 2.0
"""When a client that found no room should come back: rooms are given back at every answer."""


class Room:
    """How many requests are answered at the same time.

    Serve has such a limit too, but what it refuses is answered in plain text, outside our form.
    """

    def __init__(self, places: int) -> None:
        self._free = places

    @contextmanager
    def place(self) -> Iterator[None]:
        """Holds one place. Raises Overloaded when all are taken."""
        if not self._free:
            raise Overloaded("gateway", "too many requests at once", BUSY_SECONDS)
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


class Memory:
    """How many bytes of bodies are held at the same time, those of uploads above all."""

    def __init__(self, max_bytes: int) -> None:
        self._free = max_bytes

    @contextmanager
    def held(self) -> Iterator[Callable[[int], None]]:
        """Takes bytes for one request, and gives all of them back at its end.

        What it yields raises Overloaded when there are not so many left.
        """
        taken = 0

        def take(count: int) -> None:
            nonlocal taken
            if count > self._free:
                raise Overloaded("gateway", "too many large requests at once", BUSY_SECONDS)
            self._free -= count
            taken += count

        try:
            yield take
        finally:
            self._free += taken


async def read_bounded(
    request: Request, max_bytes: int, timeout_s: float, take: Callable[[int], None]
) -> bytes:
    """The whole body, refused before it is read if it says that it is too long, else counted.

    Args:
        take: is told of every part that comes; raises Overloaded when there is no room for it.

    Raises:
        RequestError: it is too long (413), too slow (408), or ends early.
        Overloaded: there is no room for it.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > max_bytes:
        raise _too_long(max_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                take(len(chunk))
                body += chunk
                if len(body) > max_bytes:
                    raise _too_long(max_bytes)
    except TimeoutError as error:
        raise RequestError(
            f"The body did not arrive within {timeout_s:g} s.", status=408, code="request_timeout"
        ) from error
    except ClientDisconnect as error:
        raise RequestError("The body ended early.", code="incomplete_body") from error
    return bytes(body)


def _too_long(max_bytes: int) -> RequestError:
    return RequestError(
        f"The body is longer than {max_bytes} bytes.", status=413, code="request_too_large"
    )
