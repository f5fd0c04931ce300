"""What an operator decides about the HTTP edge: names, sizes, defaults and limits."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from deployments.configuration import Configuration
from deployments.gateway.uploads.limits import UploadLimits
from deployments.telemetry.audit import DEFAULT_PATH

Size = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,4}x[1-9][0-9]{0,4}$")]
Quality = Literal["low", "medium", "high", "xhigh", "max"]


def dimensions(size: str) -> tuple[int, int]:
    """Width and height in pixels of a `WIDTHxHEIGHT` string."""
    width, height = size.split("x")
    return int(width), int(height)


class EditSettings(Configuration):
    """How pictures are edited."""

    guidance_scale: float = Field(ge=1, le=30, description="weight of the instruction")
    image_guidance_scale: float = Field(ge=1, le=10, description="weight of the given picture")
    faithful_scale: float = Field(ge=1, le=10, description="the same where input_fidelity is high")


class GatewayConfig(Configuration):
    """The edge's configuration: immutable, unknown keys refused."""

    model: str = Field(min_length=1, description="name of the picture model in /v1/models")
    aliases: tuple[str, ...] = Field(
        (), description="other names that requests may use for it, such as dall-e-3"
    )
    moderation_models: tuple[str, ...] = Field(
        ("safelight-guard", "omni-moderation-latest"),
        min_length=1,
        description="names of the guard in /v1/moderations; the first is the default",
    )
    model_created: int = Field(0, ge=0, description="Unix seconds at which the model was published")

    native_sizes: tuple[Size, ...] = Field(
        min_length=1, description="sizes that the model makes; the first is the default"
    )
    resized_sizes: dict[Size, Size] = Field(
        {}, description="size that clients ask for -> native size that is resized to it"
    )
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos"] = Field(
        "lanczos", description="filter of that resize"
    )

    default_steps: int = Field(ge=1, le=200, description="denoising steps, also of quality auto")
    max_steps: int = Field(100, ge=1, le=200, description="most steps that a request may ask for")
    quality_steps: dict[Quality, int] = Field(
        {}, description="steps of each other quality; one that is not listed is refused"
    )
    default_guidance_scale: float = Field(ge=0, le=30)
    max_guidance_scale: float = Field(30.0, ge=0, le=30)
    max_pictures: int = Field(10, ge=1, le=10, description="most pictures in one request (n)")

    edits: EditSettings | None = Field(None, description="None: /v1/images/edits answers 400")

    max_prompt_chars: int = Field(
        4000, ge=1, description="of a picture's prompt; the model's own token limit holds as well"
    )
    max_moderation_chars: int = Field(32_000, ge=1, description="of each input of /v1/moderations")
    max_moderation_inputs: int = Field(32, ge=1, description="inputs of one moderation request")
    max_moderation_pictures: int = Field(4, ge=0, description="pictures of one moderation request")
    moderation_concurrency: int = Field(
        4, ge=1, description="inputs of one moderation request that are judged at the same time"
    )
    head_starts: bool = Field(
        True, description="denoising may begin while a language model decides about the prompt"
    )
    audit_log: str = Field(
        DEFAULT_PATH, min_length=1, description="file that keeps a line for each decision"
    )
    max_requests: int = Field(
        500, ge=1, description="answered at the same time by one replica; more get a 429"
    )
    max_body_bytes: int = Field(1_048_576, ge=1024, description="of a request body")
    max_upload_body_bytes: int = Field(
        50_000_000, ge=1024, description="of the body of a request that may have pictures"
    )
    max_held_bytes: int = Field(
        512 * 2**20,
        ge=1024,
        description="of all bodies that one replica holds at the same time; more get a 429",
    )
    uploads: UploadLimits = Field(UploadLimits(), description="which pictures are read")
    body_timeout_s: float = Field(30.0, gt=0, description="for the whole request body to arrive")

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        names = (self.model, *self.aliases, *self.moderation_models)
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"model names must be unique, given twice: {twice!r}")
        return self

    @model_validator(mode="after")
    def _resizes_keep_their_shape(self) -> Self:
        for asked, native in self.resized_sizes.items():
            if asked in self.native_sizes:
                raise ValueError(f"resized_sizes: {asked!r} is native, it needs no resize")
            if native not in self.native_sizes:
                raise ValueError(f"resized_sizes: {asked!r} is made from {native!r}, not native")
            (width, height), (from_width, from_height) = dimensions(asked), dimensions(native)
            if width * from_height != height * from_width:
                raise ValueError(f"resized_sizes: {asked!r} would distort {native!r}")
        return self

    @model_validator(mode="after")
    def _steps_are_within_bounds(self) -> Self:
        for name, steps in (("default", self.default_steps), *self.quality_steps.items()):
            if not 1 <= steps <= self.max_steps:
                raise ValueError(f"{name} steps must be 1 to max_steps, got {steps!r}")
        if self.default_guidance_scale > self.max_guidance_scale:
            raise ValueError(
                f"default_guidance_scale {self.default_guidance_scale!r} is above "
                f"max_guidance_scale {self.max_guidance_scale!r}"
            )
        return self

    @property
    def sizes(self) -> tuple[str, ...]:
        """Every size that a request may ask for, native ones first."""
        return (*self.native_sizes, *self.resized_sizes)
