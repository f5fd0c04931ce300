"""The services for one request: each is asked within its deadline, and the trace tells of it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar

from deployments.contracts import (
    Generation,
    GenerationRequest,
    GuardRequest,
    PictureRequest,
    PictureVerdict,
    PromptVerdict,
    Rewrite,
    RewriteRequest,
    StageRecord,
    Subject,
)
from deployments.errors import Cancelled, SafelightError, StageFailed, StageTimeout, Unavailable
from deployments.gateway.walk.release import check_pixels
from deployments.gateway.walk.services import Services
from deployments.policy import Deadlines
from deployments.telemetry.clock import elapsed
from deployments.telemetry.trace import Trace

Answer = TypeVar("Answer")
Stage = Literal["guard", "rewriter", "diffusion", "classifier"]


class Stages:
    """Asks the services on behalf of one request.

    Every method raises Unavailable when its service gives no answer, after the trace has been told,
    and RequestError when the service finds the request malformed.
    """

    def __init__(self, services: Services, deadlines: Deadlines, trace: Trace) -> None:
        self._services, self._deadlines, self.trace = services, deadlines, trace

    async def judge_prompt(
        self,
        request: GuardRequest,
        *,
        about: Subject = "prompt",
        undecided: Callable[[], None] = lambda: None,
    ) -> PromptVerdict:
        """The guard's verdict.

        Args:
            about: whether it is the user's prompt or the rewriter's proposal.
            undecided: called when the rules let the prompt pass and the language model is asked.
        """
        verdict = await self._ask("guard", self._judged(request, undecided))
        self.trace.stages(one.model_copy(update={"about": about}) for one in verdict.stages)
        self.trace.decided_under(verdict.policy)
        return verdict

    async def rewrite(self, request: RewriteRequest) -> Rewrite:
        """The rewriter's proposal."""
        rewritten = await self._ask("rewriter", self._services.rewriter.rewrite(request))
        self.trace.stages(rewritten.stages)
        return rewritten

    async def propose(self, request: RewriteRequest) -> Rewrite:
        """The same ahead of a verdict. It is not traced, since it may come too late."""
        return await self._services.rewriter.rewrite(request)

    async def check_room(self, request: GenerationRequest, n: int) -> None:
        """Raises Overloaded where diffusion has no room for `n` such requests."""
        await self._ask("diffusion", self._services.diffusion.check(request, n))

    async def generate(
        self,
        request: GenerationRequest,
        *,
        mend: bool = False,
        begun: Awaitable[Generation] | None = None,
    ) -> Generation:
        """A picture, not yet checked.

        Args:
            begun: the same generation, where it was begun already.
        """
        started = time.perf_counter()
        answer = begun or self._services.diffusion.generate(request)
        generation = await self._ask("diffusion", answer)
        self.trace.stage(
            StageRecord(
                stage="diffusion",
                action="mend" if mend else _manner(request, generation),
                category=generation.turned_for or request.category,
                score=generation.score_before,
                why="begun while the guard decided" if begun else "",
                ms=elapsed(started),
            )
        )
        self.trace.drawn(generation.picture)
        return generation

    async def judge_picture(self, question: PictureRequest) -> PictureVerdict:
        """The classifier's verdict on those very pixels."""
        started = time.perf_counter()
        verdict = await self._ask("classifier", self._services.classifier.judge(question))
        check_pixels(question.output, verdict)
        self.trace.stage(
            StageRecord(
                stage="classifier",
                action="flag" if verdict.flagged else "pass",
                category=verdict.category,
                score=verdict.score,
                why=verdict.why,
                ms=elapsed(started),
            )
        )
        return verdict

    def note(self, stage: Stage, action: str, why: str, about: Subject = "prompt") -> None:
        """Adds to the trace what was done without asking."""
        self.trace.stage(StageRecord(stage=stage, action=action, why=why, about=about))

    async def _judged(self, request: GuardRequest, undecided: Callable[[], None]) -> PromptVerdict:
        found = await self._services.guard.screen(request)
        if isinstance(found, PromptVerdict):
            return found
        undecided()
        return await self._services.guard.decide(request, found)

    async def _ask(self, stage: Stage, answer: Awaitable[Answer]) -> Answer:
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
        self.trace.stage(
            StageRecord(stage=stage, action="unavailable", why=failure.why, ms=elapsed(started))
        )
        raise failure


def _manner(request: GenerationRequest, generation: Generation) -> str:
    if generation.turned_for is not None:
        return "turn"
    return "steer" if request.steer else "generate"
