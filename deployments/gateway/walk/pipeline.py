"""The walk: guard, rewriter, diffusion, classifier, and the regeneration edge back to diffusion.

The prompt side (`prompt_side`) decides what may be drawn; the picture side (`picture_side`) draws,
checks and draws again; a picture leaves by `release` alone.
"""

from collections.abc import Callable
from functools import partial

from deployments.contracts import (
    Generation,
    GuardRequest,
    Picture,
    PictureRequest,
    PictureVerdict,
    PromptVerdict,
    Version,
)
from deployments.gateway.walk.attempts import first_requests
from deployments.gateway.walk.head_start import HeadStart
from deployments.gateway.walk.jobs import ImageJob, Outcome, Preview, PromptJob
from deployments.gateway.walk.picture_side import PictureSide
from deployments.gateway.walk.prompt_side import Admission, PromptSide
from deployments.gateway.walk.refusals import (
    given_picture_blocked,
    pictures_refused,
    prompt_blocked,
)
from deployments.gateway.walk.release import Released
from deployments.gateway.walk.services import Classifier, Diffusion, Guard, Rewriter, Services
from deployments.gateway.walk.stages import Stages
from deployments.policy import Policy
from deployments.telemetry.trace import Trace


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
        self._services = Services(guard, rewriter, diffusion, classifier)

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
        stages = self._stages(trace)
        # Under overload a refusal must be cheap: before anything is read or drawn.
        probable, *_ = first_requests(job, [Version(prompt=job.prompt)], self.policy.output)
        await stages.check_room(probable, job.n)
        if job.image is not None:
            await self._admit_picture(job.image, stages)
        head_start = self._head_start(job)
        try:
            admission = await PromptSide(self.policy, stages, head_start).admit(job.words)
            if admission.action == "block":
                raise prompt_blocked(admission.verdict)
            head_start.keep(() if admission.steer else admission.versions)
            admitted()
            drawn = await PictureSide(job, admission, self.policy.output, stages, head_start).draw()
        finally:
            if head_start.drop():
                stages.note("diffusion", "dropped", "begun while the guard decided, and called off")
        return _outcome(job, admission, drawn, trace)

    async def preview(self, job: PromptJob, trace: Trace) -> Preview:
        """What the prompt side would do. Raises Unavailable when it cannot tell."""
        admission = await PromptSide(self.policy, self._stages(trace), HeadStart()).admit(job)
        return Preview(
            action=admission.action,
            scores=admission.verdict.scores,
            prompt=admission.versions[0].prompt,
            changes=admission.versions[0].changes,
        )

    async def moderate(self, prompt: str, trace: Trace) -> PromptVerdict:
        """The guard's verdict alone. Raises Unavailable when there is none."""
        return await self._stages(trace).judge_prompt(GuardRequest(prompt=prompt))

    async def moderate_picture(self, picture: Picture, prompt: str, trace: Trace) -> PictureVerdict:
        """The classifier's verdict on a picture alone, which stands beside a text or "".

        Raises Unavailable when there is none.
        """
        question = PictureRequest(prompt=prompt, output=picture)
        return await self._stages(trace).judge_picture(question)

    async def _admit_picture(self, picture: Picture, stages: Stages) -> None:
        # By itself: no wording of an instruction speaks for or against it.
        verdict = await stages.judge_picture(PictureRequest(prompt="", output=picture))
        if verdict.flagged:
            raise given_picture_blocked(verdict)

    def _head_start(self, job: ImageJob) -> HeadStart:
        if not self._head_starts:
            return HeadStart()
        requests = partial(first_requests, job, policy=self.policy.output)
        return HeadStart(requests, self._services.diffusion.generate)

    def _stages(self, trace: Trace) -> Stages:
        return Stages(self._services, self.policy.deadlines, trace)


def _outcome(
    job: ImageJob,
    admission: Admission,
    drawn: list[tuple[Released | None, Generation]],
    trace: Trace,
) -> Outcome:
    released = tuple(picture for picture, _ in drawn if picture is not None)
    if not released:
        raise pictures_refused(job.n, trace.safety("refused").tries)
    versions = [admission.versions[picture.index] for picture in released]
    return Outcome(
        pictures=released,
        prompts=tuple(version.prompt for version in versions),
        changes=tuple(version.changes for version in versions),
        prompt_tokens=max(generation.prompt_tokens for _, generation in drawn),
        latent_positions=sum(generation.latent_positions for _, generation in drawn),
    )
