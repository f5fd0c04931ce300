"""What an operator configures of the picture classifier."""

from typing import Literal, Self

from pydantic import Field, model_validator

from deployments.classifier.standalone.open_nsfw import OpenNsfwConfig
from deployments.classifier.transformation.vision import VisionConfig
from deployments.configuration import Configuration
from deployments.inference.language_model import LanguageModelConfig


class ClassifierConfig(Configuration):
    """One replica: one model on one device, one picture at a time. Unknown keys are refused."""

    model: str = Field(min_length=1, description="folder of the model, or `embedded:classifier`")
    transformation: str | None = Field(
        None, description="folder of the model that scores edits, or `embedded:transformation`"
    )
    vision: LanguageModelConfig | None = Field(
        None, description="a vision-language model on vLLM that scores edits instead"
    )
    vision_question: VisionConfig = Field(VisionConfig(), description="what that model is asked")
    open_nsfw: OpenNsfwConfig | None = Field(
        None, description="a second model for photographs; needs the extra `photographs`"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?|mps)$")
    threads: int | None = Field(None, ge=1, description="CPU threads of torch; None is its default")
    max_queued: int = Field(32, ge=0, description="pictures that may wait; more are refused")
    stall_seconds: float = Field(
        30.0, gt=0.0, description="a verdict that takes longer means a hanging replica"
    )

    @model_validator(mode="after")
    def _one_model_scores_edits(self) -> Self:
        if self.transformation is not None and self.vision is not None:
            raise ValueError(
                "edits are scored by one model: give `transformation` or `vision`, not both"
            )
        return self

    @property
    def judges_edits(self) -> bool:
        return self.transformation is not None or self.vision is not None
