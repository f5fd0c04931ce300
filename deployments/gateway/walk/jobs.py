"""What the walk is asked for, and what it answers."""

from deployments.contracts import (
    Action,
    Change,
    Contract,
    GuardRequest,
    Operation,
    Picture,
)
from deployments.gateway.walk.release import Released


class PromptJob(Contract):
    """A prompt for `n` pictures, and how far it may be rewritten.

    `loosen` asks for the policy's looser prompt thresholds. Without `rewrite` the prompt is drawn
    as it stands or blocked.
    """

    prompt: str
    negative_prompt: str = ""
    operation: Operation = "generate"
    n: int = 1
    seed: int
    loosen: bool = False
    rewrite: bool = True

    def question(self, prompt: str) -> GuardRequest:
        """What the guard is asked about a prompt of this job: the user's, or one made from it."""
        return GuardRequest(
            prompt=prompt,
            negative_prompt=self.negative_prompt,
            operation=self.operation,
            loosen=self.loosen,
        )


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
    def words(self) -> PromptJob:
        """The part of the job that the prompt side decides on."""
        return PromptJob(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            operation="generate" if self.image is None else "edit",
            n=self.n,
            seed=self.seed,
            loosen=self.loosen,
            rewrite=self.rewrite,
        )


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
