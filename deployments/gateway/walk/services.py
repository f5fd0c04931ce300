"""The four services as the walk sees them, and the one way to ask them."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Literal, Protocol, TypeVar

from deployments.contracts import (
    Generation,
    GenerationRequest,
    GuardRequest,
    PictureRequest,
    PictureVerdict,
    PromptVerdict,
    Rewrite,
    RewriteRequest,
    Screening,
    StageRecord,
)
from deployments.errors import Cancelled, SafelightError, StageFailed, StageTimeout, Unavailable
from deployments.policy import Deadlines
from deployments.telemetry.trace import Trace

Answer = TypeVar("Answer")
Stage = Literal["guard", "rewriter", "diffusion", "classifier"]


class Guard(Protocol):
    async def screen(self, request: GuardRequest) -> PromptVerdict | Screening: ...

    async def decide(self, request: GuardRequest, screening: Screening) -> PromptVerdict: ...


class Rewriter(Protocol):
    async def rewrite(self, request: RewriteRequest) -> Rewrite: ...


class Diffusion(Protocol):
    async def check(self, request: GenerationRequest, n: int) -> None: ...

    async def generate(self, request: GenerationRequest) -> Generation: ...


class Classifier(Protocol):
    async def judge(self, request: PictureRequest) -> PictureVerdict: ...


class Asker:
    """Asks a service: within its deadline, and with every failure named and traced."""

    def __init__(self, deadlines: Deadlines) -> None:
        self._deadlines = deadlines

    async def __call__(self, stage: Stage, answer: Awaitable[Answer], trace: Trace) -> Answer:
        """
        Raises:
            Unavailable: there is no answer; the trace says which stage failed.
            RequestError: the stage found the request malformed.
        """
        deadline: float = getattr(self._deadlines, stage)
        started = time.perf_counter()
        try:
            async with asyncio.timeout(deadline):
                return await answer
        except TimeoutError as error:
            failure: Unavailable = StageTimeout(stage, f"no answer within {deadline:g} s")
            failure.__cause__ = error
        except Unavailable as error:
            failure = error
        except Cancelled as error:
            failure = StageFailed(stage, "the work was cancelled")
            failure.__cause__ = error
        except SafelightError:
            raise
        except Exception as error:
            failure = StageFailed(stage, "an unexpected error")
            failure.__cause__ = error
        trace.stage(
            StageRecord(stage=stage, action="unavailable", why=failure.why, ms=elapsed(started))
        )
        raise failure


def elapsed(started: float) -> float:
    """Milliseconds since `started`, a `time.perf_counter()`."""
    return (time.perf_counter() - started) * 1000
