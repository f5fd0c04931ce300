"""Everything that an operator decides about the diffusion service."""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from deployments.configuration import Configuration
from deployments.contracts import Score

Share = Annotated[float, Field(ge=0.0, le=1.0)]


class Interval(Configuration):
    """The part of the schedule in which a steerer may act, in shares of its denoiser calls."""

    start: Share = Field(0.0, description="first share of the schedule; 0 is the first call")
    stop: Share = Field(1.0, description="end, exclusive; equal to `start` means never")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.start > self.stop:
            raise ValueError(f"start {self.start!r} must not be after stop {self.stop!r}")
        return self

    def holds(self, progress: float) -> bool:
        """Whether a call at this share of the schedule, in [0, 1), lies within."""
        return self.start <= progress < self.stop


class HeadSteering(Interval):
    """Steering by the gradient of the noise-aware head, which may gate the concept branch too.

    Early in the schedule a head sees little: one with low recall there should not gate.
    With `start` equal to `stop` the head itself steers nothing.
    """

    model: str = Field(min_length=1, description="folder of the head, or `embedded:head`")
    gates: bool = Field(
        True, description="the concept branch acts only while the head's score is above `target`"
    )
    target: Score = Field(0.05, gt=0.0, lt=1.0, description="steer while the score is above")
    inner_steps: int = Field(3, ge=1, le=20, description="Polyak steps per denoiser call")
    max_shift: float = Field(
        0.3, gt=0.0, description="longest move per denoiser call, in lengths of the clean latent"
    )


class ConceptSteering(Interval):
    """Steering by a safety branch: the prompt plus the flagged category's words, against it."""

    concepts: dict[str, str] = Field(description="category -> words that name what to avoid")
    fallback: str = Field(
        "violence, blood, nudity, hate symbols",
        min_length=1,
        description="words for a category without an entry",
    )
    scale: float = Field(3.0, gt=0.0, description="weight of the branch at strength 1")
    sensitivity: float = Field(
        10.0, gt=0.0, description="differences of 1/sensitivity and more count in full"
    )
    every: int = Field(
        1, ge=1, description="denoiser calls per branch row; between them its last change holds"
    )


class Steering(Configuration):
    """Which steerers act: the concept branch first, then the head, each in its interval."""

    head: HeadSteering | None = None
    concept: ConceptSteering | None = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.head is None and self.concept is None:
            raise ValueError("steering needs `head`, `concept` or both; leave it out to have none")
        return self


class RetrySlots(Configuration):
    """When refused requests are told to come back: in short slots, at fixed intervals.

    With `max_backlog_seconds` 30 there is a slot every 15 s. It lasts 3 s, and up to 12 s of work
    is reserved in it.
    """

    interval: float = Field(
        0.5,
        gt=0.0,
        le=1.0,
        description="from one slot to the next, as a share of max_backlog_seconds; the rest of "
        "the backlog keeps the engine busy",
    )
    reserved: float = Field(
        0.8,
        gt=0.0,
        le=1.0,
        description="most work reserved in a slot, as a share of the interval; the rest is for "
        "new requests that come in the slot",
    )
    seconds: float = Field(
        3.0,
        ge=1.0,
        description="how long a slot lasts: clients are told whole seconds, and take a while",
    )


class EditConfig(Configuration):
    """The pipeline that edits a picture by an instruction."""

    model: str = Field(
        min_length=1, description="hub id or folder of an edit pipeline, or `embedded:edit`"
    )
    shares: tuple[str, ...] = Field(
        (), description="components that are the text-to-image pipeline's own, such as `vae`"
    )


class DiffusionConfig(Configuration):
    """One replica: one pipeline on one device, its generations batched step by step."""

    renamed: ClassVar = {"max_queued": "max_waiting"}

    model: str = Field(
        min_length=1,
        description="hub id or folder of a diffusers pipeline, or `embedded:diffusion`",
    )
    variant: str | None = Field(None, description="weight variant, such as 'fp16'")
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?|mps)$")
    scheduler: str | None = Field(
        None, description="diffusers scheduler class; None keeps the pipeline's own"
    )
    scheduler_options: dict[str, Any] = Field({}, description="overrides of the scheduler's config")
    threads: int | None = Field(None, ge=1, description="CPU threads of torch; None is its default")
    memory_bytes: int | None = Field(
        None, ge=1, description="most memory of the CUDA device that this replica may take"
    )
    true_cfg_scale: float = Field(
        4.0, gt=1.0, description="weight against a negative prompt where guidance is distilled"
    )
    edit: EditConfig | None = Field(
        None,
        description="None: pictures cannot be edited; with a mask they can where diffusers "
        "knows how the model paints within one",
    )
    steering: Steering | None = Field(
        None,
        description="None: nothing is steered, and a policy that asks for it is refused at start",
    )
    max_rows: int | None = Field(
        None,
        ge=1,
        description="rows of one denoiser call at the model's own size; None: measured at start",
    )
    max_waiting: int = Field(
        64, ge=1, description="generations that may wait to begin; more are refused"
    )
    max_backlog_seconds: float = Field(
        30.0, gt=0.0, description="work at hand beyond which a generation is refused"
    )
    retry_slots: RetrySlots = Field(RetrySlots(), description="when the refused may come back")
    expected_seconds: float = Field(
        3.0,
        ge=0.0,
        description="how long a generation that `check` has let in counts as work at hand before "
        "it comes: its prompt is being judged",
    )
    stall_seconds: float = Field(
        120.0, gt=0.0, description="longest pause between denoiser calls of a healthy replica"
    )

    @model_validator(mode="after")
    def _memory_needs_cuda(self) -> Self:
        if self.memory_bytes is not None and not self.device.startswith("cuda"):
            raise ValueError(f"memory_bytes limits cuda devices only, device is {self.device!r}")
        return self
