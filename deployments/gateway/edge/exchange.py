"""One request while it is answered."""

import asyncio

from starlette.datastructures import Headers

from deployments.telemetry.trace import Trace


class Exchange:
    """A request's trace and headers, and its prompt as soon as it is known.

    Attributes:
        stream: the kind of the events that the answer is to be streamed as; None for one body.
        opened: set when a streamed answer may begin.
    """

    def __init__(self, trace: Trace, headers: Headers) -> None:
        self.trace, self.headers = trace, headers
        self.prompt = ""
        self.stream: str | None = None
        self.opened = asyncio.Event()

    def asked(self, prompt: str, *, stream: str | None = None) -> None:
        """The body is read."""
        self.prompt, self.stream = prompt, stream

    def admitted(self) -> None:
        """The prompt side has let the request in."""
        if self.stream is not None:
            self.opened.set()
