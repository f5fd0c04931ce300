"""The attempts at one picture: the regeneration edge, as decisions without any service.

A flagged picture is drawn again, steered, and stronger each time; when the strengths are used up it
is refused. An edit that changed of a person what nobody asked to change is mended: it is drawn
again with these attributes held; when the mends are used up, the best attempt is delivered and its
verdict says what changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from deployments.contracts import (
    MAX_IMAGE_GUIDANCE,
    GenerationRequest,
    PictureVerdict,
    Version,
)
from deployments.gateway.walk.jobs import ImageJob
from deployments.gateway.walk.prompt_side import Admission
from deployments.policy import EditPolicy, OutputPolicy


@dataclass(frozen=True)
class Attempt:
    """The settings of one attempt.

    Attributes:
        strength: of the steering; 0 is off.
        category: what is steered away from.
        held: attributes of a person that the instruction says must stay.
        mends: how often the picture was mended, this attempt included.
    """

    strength: float = 0.0
    category: str | None = None
    held: tuple[str, ...] = ()
    mends: int = 0


def first(admission: Admission, policy: OutputPolicy) -> Attempt:
    """The first attempt: steered only where the prompt's verdict asks for it."""
    if not admission.steer:
        return Attempt()
    return Attempt(policy.steer_strength, admission.verdict.category)


def stronger(attempt: Attempt, verdict: PictureVerdict, policy: OutputPolicy) -> Attempt | None:
    """The attempt after a flagged one; None where the strengths are used up."""
    # Steering that is no stronger than the last would give the same picture again.
    left = [strength for strength in policy.strengths if strength > attempt.strength]
    return replace(attempt, strength=left[0], category=verdict.category) if left else None


def mended(attempt: Attempt, verdict: PictureVerdict, edits: EditPolicy) -> Attempt | None:
    """The attempt that mends an edit; None where nothing is to be mended, or no mend is left."""
    if attempt.mends == edits.tries or not (verdict.changed or verdict.flagged):
        return None
    held = tuple(dict.fromkeys((*attempt.held, *verdict.changed)))
    return replace(attempt, held=held, mends=attempt.mends + 1)


def better(one: PictureVerdict, other: PictureVerdict) -> bool:
    """Whether the first edit is not flagged and changed less of what nobody asked to change."""
    return not one.flagged and _changed(one) < _changed(other)


def request_of(
    job: ImageJob, index: int, version: Version, attempt: Attempt, policy: OutputPolicy
) -> GenerationRequest:
    """What diffusion is asked for in one attempt at picture `index` of the job."""
    prompt, scale = version.prompt, job.image_guidance_scale
    if policy.edits is not None and attempt.mends:
        prompt = holding(prompt, attempt.held, policy.edits)
        scale = min(scale + policy.edits.closer * attempt.mends, MAX_IMAGE_GUIDANCE)
    return GenerationRequest(
        request_id=job.request_id,
        prompt=prompt,
        negative_prompt=job.negative_prompt,
        seed=(job.seed + index) % 2**32,
        steps=job.steps,
        guidance_scale=job.guidance_scale,
        width=job.width,
        height=job.height,
        image=job.image,
        mask=job.mask,
        image_guidance_scale=scale,
        steer=attempt.strength > 0,
        strength=attempt.strength,
        category=attempt.category,
        watch=None if attempt.strength else policy.watch,
        let_in=True,
    )


def first_requests(
    job: ImageJob, versions: Sequence[Version], policy: OutputPolicy
) -> list[GenerationRequest]:
    """What diffusion is asked for first, one request for each picture, if nothing is steered."""
    return [
        request_of(job, index, version, Attempt(), policy) for index, version in enumerate(versions)
    ]


def holding(instruction: str, held: Sequence[str], edits: EditPolicy) -> str:
    """The instruction, and what must stay, in the policy's words."""
    if not held:
        return instruction
    names = [edits.held.get(name, f"the {name.replace('_', ' ')}") for name in held]
    listed = " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return edits.holding.format(instruction=instruction, attributes=listed)


def _changed(verdict: PictureVerdict) -> tuple[int, float]:
    return len(verdict.changed), sum(verdict.unintended.values())
