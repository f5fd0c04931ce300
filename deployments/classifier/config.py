"""Everything that an operator decides about the picture classifier."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class ClassifierConfig(BaseModel):
    """One replica: one model on one device, one picture at a time. Unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field(min_length=1, description="folder of the model, or `embedded:classifier`")
    transformation: str | None = Field(
        None, description="folder of the model that judges edits, or `embedded:transformation`"
    )
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = Field("cpu", pattern=r"^(cpu|cuda(:\d+)?|mps)$")
    threads: int | None = Field(None, ge=1, description="CPU threads of torch; None is its default")
    max_queued: int = Field(32, ge=0, description="pictures that may wait; more are refused")
    stall_seconds: float = Field(
        30.0, gt=0.0, description="longest verdict of a healthy replica, in seconds"
    )
