"""The picture side of the walk: diffusion, then the classifier; a flagged picture is drawn again.

This is the only loop in the graph.
"""

from dataclasses import dataclass

from deployments.contracts import Generation, PictureRequest, PictureVerdict, Try, TryVerdict
from deployments.errors import RequestError, Unavailable
from deployments.futures import all_of
from deployments.gateway.walk.attempts import (
    Attempt,
    better,
    first,
    mended,
    request_of,
    stronger,
)
from deployments.gateway.walk.head_start import HeadStart
from deployments.gateway.walk.jobs import ImageJob
from deployments.gateway.walk.prompt_side import Admission
from deployments.gateway.walk.release import Released, release
from deployments.gateway.walk.stages import Stages
from deployments.policy import OutputPolicy


@dataclass(frozen=True)
class Drawn:
    """An attempt, the picture that it gave, and the classifier's verdict on it."""

    attempt: Attempt
    generation: Generation
    verdict: PictureVerdict


class PictureSide:
    """The pictures of one admitted job."""

    def __init__(
        self,
        job: ImageJob,
        admission: Admission,
        output: OutputPolicy,
        stages: Stages,
        head_start: HeadStart,
    ) -> None:
        self._job, self._admission, self._output = job, admission, output
        self._stages, self._head_start = stages, head_start

    async def draw(self) -> list[tuple[Released | None, Generation]]:
        """For each of the n pictures what may leave, or None, and what was generated last.

        Raises:
            Unavailable: a stage could not answer for one of them; none leaves.
        """
        return await all_of(self._draw(index) for index in range(self._job.n))

    async def _draw(self, index: int) -> tuple[Released | None, Generation]:
        drawn = await self._try(index, first(self._admission, self._output))
        while drawn.verdict.flagged:
            attempt = stronger(drawn.attempt, drawn.verdict, self._output)
            if attempt is None:
                self._stages.trace.refused(index)
                return None, drawn.generation
            drawn = await self._try(index, attempt)
        drawn = await self._mended(index, drawn)
        return release(index, drawn.generation.picture, drawn.verdict), drawn.generation

    async def _mended(self, index: int, drawn: Drawn) -> Drawn:
        """The best of an edit and its mends. A mend that fails costs nothing but itself."""
        edits = self._output.edits
        # Within a mask the prompt describes a scene; it is no instruction that could hold anything.
        if edits is None or self._job.image is None or self._job.mask is not None:
            return drawn
        best = drawn
        while attempt := mended(drawn.attempt, drawn.verdict, edits):
            try:
                drawn = await self._try(index, attempt)
            except (Unavailable, RequestError):
                why = "a mend failed; the picture before it is delivered"
                self._stages.note("diffusion", "dropped", why)
                break
            if better(drawn.verdict, best.verdict):
                best = drawn
        return best

    async def _try(self, index: int, attempt: Attempt) -> Drawn:
        version = self._admission.versions[index]
        request = request_of(self._job, index, version, attempt, self._output)
        begun = self._head_start.take(request)
        generation = await self._stages.generate(request, mend=attempt.mends > 0, begun=begun)
        # The user's own words are the context in which the picture will be seen.
        question = PictureRequest(
            prompt=self._job.prompt, input=self._job.image, output=generation.picture
        )
        drawn = Drawn(attempt, generation, await self._stages.judge_picture(question))
        self._stages.trace.tried(self._record(index, drawn))
        return drawn

    def _record(self, index: int, drawn: Drawn) -> Try:
        """The attempt as the trace lists it."""
        strength, generation, verdict = drawn.attempt.strength, drawn.generation, drawn.verdict
        if not strength and self._output.watch and generation.turned_at_step is not None:
            strength = self._output.watch.strength
        return Try(
            index=index,
            seed=generation.seed,
            steer=strength > 0,
            strength=strength,
            steps=generation.steps,
            turned_at_step=generation.turned_at_step,
            score_before=generation.score_before,
            verdict=TryVerdict(
                flagged=verdict.flagged,
                category=verdict.category,
                score=verdict.score,
                changed=verdict.changed,
            ),
        )
