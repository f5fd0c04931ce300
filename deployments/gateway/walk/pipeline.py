"""The walk: guard, rewriter, diffusion, classifier, and the regeneration edge back to diffusion.

This is the only place where a picture is released, and the only loop in the graph.
"""

import asyncio
import time
from collections.abc import Callable

from deployments.contracts import (
    Action,
    Change,
    Contract,
    Generation,
    GenerationRequest,
    GuardRequest,
    Operation,
    Picture,
    PictureRequest,
    PictureVerdict,
    PromptVerdict,
    StageRecord,
    Try,
    TryVerdict,
    Version,
)
from deployments.errors import ContentBlocked, StageFailed
from deployments.gateway.walk.attempts import CLOSER, Tries, better, holding
from deployments.gateway.walk.head_start import HeadStart
from deployments.gateway.walk.prompt_side import Admission, PromptSide
from deployments.gateway.walk.services import Asker, Classifier, Diffusion, Guard, Rewriter, elapsed
from deployments.policy import Policy
from deployments.telemetry.trace import Trace


class ImageJob(Contract):
    """A validated request for `n` pictures; picture i uses seed + i (mod 2**32).

    With an `image` it is an edit of that picture, with a `mask` within it, as in
    `GenerationRequest`.
    """

    request_id: str
    prompt: str
    negative_prompt: str = ""
    n: int = 1
    seed: int
    steps: int
    guidance_scale: float
    width: int
    height: int
    image: Picture | None = None
    mask: Picture | None = None
    image_guidance_scale: float = 1.5
    loosen: bool = False
    rewrite: bool = True

    @property
    def operation(self) -> Operation:
        """What the prompt side takes it for."""
        return "generate" if self.image is None else "edit"


class Released(Contract):
    """A picture that may leave, at its place among the n asked for. Made by `release` alone."""

    index: int
    picture: Picture


class Outcome(Contract):
    """The pictures that may leave, in order, and the prompts that they were made from."""

    pictures: tuple[Released, ...]
    prompts: tuple[str, ...]
    changes: tuple[tuple[Change, ...], ...]
    prompt_tokens: int
    latent_positions: int


class Preview(Contract):
    """The prompt side's decision, without a picture."""

    action: Action
    scores: dict[str, float]
    prompt: str
    changes: tuple[Change, ...]


def release(index: int, picture: Picture, verdict: PictureVerdict) -> Released:
    """The one way out: a picture leaves only with a clean verdict on those very pixels.

    Raises:
        StageFailed: the verdict is for other pixels, or it flags them.
    """
    if verdict.sha256 != picture.sha256:
        raise StageFailed("classifier", "its verdict belongs to another picture")
    if verdict.flagged:
        raise StageFailed("classifier", "a flagged picture was about to leave")
    return Released(index=index, picture=picture)


class Walk:
    """The way of a request through the four services. Holds no state between requests."""

    def __init__(
        self,
        policy: Policy,
        guard: Guard,
        rewriter: Rewriter,
        diffusion: Diffusion,
        classifier: Classifier,
        *,
        head_starts: bool = True,
    ) -> None:
        """`head_starts`: denoising may begin while a language model still decides."""
        self.policy = policy
        self._head_starts = head_starts
        self._ask = Asker(policy.deadlines)
        self._prompt_side = PromptSide(policy, guard, rewriter, self._ask)
        self._diffusion = diffusion
        self._classifier = classifier

    async def generate(
        self, job: ImageJob, trace: Trace, admitted: Callable[[], None] = lambda: None
    ) -> Outcome:
        """Prompt in, and perhaps a picture to be edited; checked pictures out.

        Args:
            admitted: called when the prompt side has let the request in.

        Raises:
            ContentBlocked: the prompt, the picture given, or every picture made, violates the
                policy.
            Unavailable: a stage could not answer; nothing leaves.
            RequestError: a stage found the request malformed.
        """
        # Under overload a refusal must be cheap: before anything is read or drawn.
        probable = _order(job, 0, Version(prompt=job.prompt), self.policy)
        await self._ask("diffusion", self._diffusion.check(probable, job.n), trace)
        if job.image is not None:
            await self._admit_picture(job.image, trace)
        head_start = HeadStart(
            lambda versions: [
                _order(job, i, version, self.policy) for i, version in enumerate(versions)
            ],
            self._diffusion.generate,
        )
        try:
            admission = await self._admitted(job, trace, head_start)
            admitted()
            drawn = await self._draw_all(job, admission, trace, head_start)
        finally:
            head_start.drop()
            if head_start.wasted:
                why = "begun while the guard decided, and called off"
                trace.stage(StageRecord(stage="diffusion", action="dropped", why=why))
        released = tuple(picture for picture, _ in drawn if picture is not None)
        if not released:
            raise self._refused(job.n, trace)
        return Outcome(
            pictures=released,
            prompts=tuple(admission.versions[p.index].prompt for p in released),
            changes=tuple(admission.versions[p.index].changes for p in released),
            prompt_tokens=max(generation.prompt_tokens for _, generation in drawn),
            latent_positions=sum(generation.latent_positions for _, generation in drawn),
        )

    async def _admitted(self, job: ImageJob, trace: Trace, head_start: HeadStart) -> Admission:
        """The prompt side's admission; what was begun for another one is called off."""
        admission = await self._prompt_side.admit(
            GuardRequest(
                prompt=job.prompt,
                negative_prompt=job.negative_prompt,
                operation=job.operation,
                loosen=job.loosen,
            ),
            rewrite=job.rewrite,
            n=job.n,
            seed=job.seed,
            trace=trace,
            head_start=head_start if self._head_starts else None,
        )
        if admission.action == "block":
            raise self._blocked(admission.verdict)
        head_start.keep(() if admission.steer else admission.versions)
        return admission

    async def moderate(self, prompt: str, trace: Trace) -> PromptVerdict:
        """The guard's verdict alone. Raises Unavailable when there is none."""
        return await self._prompt_side.judge(GuardRequest(prompt=prompt), trace)

    async def moderate_picture(self, picture: Picture, prompt: str, trace: Trace) -> PictureVerdict:
        """The classifier's verdict on a picture alone, which stands beside a text or "".

        Raises Unavailable when there is none.
        """
        verdict = await self._judged(PictureRequest(prompt=prompt, output=picture), trace)
        if verdict.sha256 != picture.sha256:
            raise StageFailed("classifier", "its verdict belongs to another picture")
        return verdict

    async def preview(self, prompt: str, seed: int, operation: Operation, trace: Trace) -> Preview:
        """What the prompt side would do. Raises Unavailable when it cannot tell."""
        request = GuardRequest(prompt=prompt, operation=operation)
        admission = await self._prompt_side.admit(
            request, rewrite=True, n=1, seed=seed, trace=trace
        )
        return Preview(
            action=admission.action,
            scores=admission.verdict.scores,
            prompt=admission.prompt,
            changes=admission.changes,
        )

    # The picture side: diffusion, then the classifier; flagged pictures go round again, steered.

    async def _draw_all(
        self, job: ImageJob, admission: Admission, trace: Trace, head_start: HeadStart
    ) -> list[tuple[Released | None, Generation]]:
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._draw(job, index, admission, trace, head_start))
                    for index in range(job.n)
                ]
        except ExceptionGroup as failures:
            # All siblings are cancelled by now; one cause is enough for the caller.
            raise failures.exceptions[0] from failures
        return [task.result() for task in tasks]

    async def _draw(
        self,
        job: ImageJob,
        index: int,
        admission: Admission,
        trace: Trace,
        head_start: HeadStart,
    ) -> tuple[Released | None, Generation]:
        tries = Tries(
            self.policy.output, steer=admission.steer, category=admission.verdict.category
        )
        best: tuple[Generation, PictureVerdict] | None = None
        while True:
            order = _order(job, index, admission.versions[index], self.policy, tries)
            generation = await self._generate(order, trace, head_start, mended=tries.mended > 0)
            verdict = await self._judge_picture(job, generation.picture, trace)
            trace.tried(_attempt(index, order, generation, verdict))
            if not verdict.flagged and (best is None or better(verdict, best[1])):
                best = generation, verdict
            if not tries.again(verdict):
                break
        if best is None:
            trace.refused(index)
            return None, generation
        generation, verdict = best
        return release(index, generation.picture, verdict), generation

    async def _generate(
        self, order: GenerationRequest, trace: Trace, head_start: HeadStart, *, mended: bool
    ) -> Generation:
        started = time.perf_counter()
        begun = head_start.take(order)
        generation = await self._ask("diffusion", begun or self._diffusion.generate(order), trace)
        trace.stage(
            StageRecord(
                stage="diffusion",
                action="mend" if mended else _manner(order, generation),
                category=generation.turned_for or order.category,
                score=generation.score_before,
                why="begun while the guard decided" if begun else "",
                ms=elapsed(started),
            )
        )
        trace.size = f"{generation.picture.width}x{generation.picture.height}"
        return generation

    async def _judge_picture(self, job: ImageJob, picture: Picture, trace: Trace) -> PictureVerdict:
        # The user's own words are the context in which the picture will be seen.
        return await self._judged(
            PictureRequest(prompt=job.prompt, input=job.image, output=picture), trace
        )

    async def _admit_picture(self, picture: Picture, trace: Trace) -> None:
        """Lets a picture in that is to be edited. Raises ContentBlocked for a harmful one."""
        # By itself: no wording of an instruction speaks for or against it.
        verdict = await self.moderate_picture(picture, "", trace)
        if verdict.flagged:
            raise ContentBlocked(
                f"The picture that was given was blocked: {verdict.why}. Give another one.",
                "input",
                (verdict.category or "unknown",),
            )

    async def _judged(self, question: PictureRequest, trace: Trace) -> PictureVerdict:
        started = time.perf_counter()
        verdict = await self._ask("classifier", self._classifier.judge(question), trace)
        trace.stage(
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

    # Refusals, in words for the user.

    def _blocked(self, verdict: PromptVerdict) -> ContentBlocked:
        category = verdict.category or "unknown"
        return ContentBlocked(
            f"The prompt was blocked: {verdict.why}. Change that part of it and try again.",
            "input",
            (category,),
        )

    def _refused(self, n: int, trace: Trace) -> ContentBlocked:
        tries = trace.safety("refused").tries
        categories = tuple(sorted({t.verdict.category for t in tries if t.verdict.category}))
        pictures = "the picture" if n == 1 else f"each of the {n} pictures"
        return ContentBlocked(
            f"The prompt is allowed, but {pictures} made from it was flagged "
            f"({', '.join(categories)}), after {len(tries)} tries in all. "
            "Another seed or a more specific prompt may help.",
            "output",
            categories,
        )


def _order(
    job: ImageJob,
    index: int,
    version: Version,
    policy: Policy,
    tries: Tries | None = None,
) -> GenerationRequest:
    """One try at one picture; without `tries` the first, unsteered."""
    strength = tries.strength if tries else 0.0
    held, mended = (tries.held, tries.mended) if tries else ((), 0)
    return GenerationRequest(
        request_id=job.request_id,
        prompt=holding(version.prompt, held),
        negative_prompt=job.negative_prompt,
        seed=(job.seed + index) % 2**32,
        steps=job.steps,
        guidance_scale=job.guidance_scale,
        width=job.width,
        height=job.height,
        image=job.image,
        mask=job.mask,
        image_guidance_scale=job.image_guidance_scale + CLOSER * mended,
        steer=strength > 0,
        strength=strength,
        category=tries.category if tries else None,
        watch=None if strength else policy.output.watch,
        let_in=True,
    )


def _manner(order: GenerationRequest, generation: Generation) -> str:
    if generation.turned_for is not None:
        return "turn"
    return "steer" if order.steer else "generate"


def _attempt(
    index: int, order: GenerationRequest, generation: Generation, verdict: PictureVerdict
) -> Try:
    turned = order.watch is not None and generation.turned_at_step is not None
    return Try(
        index=index,
        seed=generation.seed,
        steer=order.steer or turned,
        strength=order.watch.strength if order.watch and turned else order.strength,
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
