"""What an operator decides about the guard: its model, how it reads, and what it must know."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from deployments.guard.canaries import Canaries
from deployments.llm import LanguageModelConfig


class GuardConfig(BaseModel):
    """The guard's configuration: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    llm: LanguageModelConfig
    cnn: str | None = Field(
        None, description="folder of the embedding CNN; none: ask the LLM always"
    )
    threads: int = Field(1, ge=1, description="CPU threads of the embedding CNN")
    window: int = Field(192, ge=1, description="tokens of user text that one question shows")
    overlap: int = Field(32, ge=0, description="tokens that neighbouring windows share")
    floor: float = Field(
        0.02, ge=0, lt=1, description="P(unsafe) up to which nobody asks for the category"
    )
    min_answer_mass: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="least probability of the answer form; below, the model did not answer",
    )
    canaries: Canaries = Field(
        Canaries(), description="prompts that a replica must judge right before it is ready"
    )

    @model_validator(mode="after")
    def _windows_advance(self) -> Self:
        if self.overlap >= self.window:
            raise ValueError(f"overlap {self.overlap} must be below the window {self.window}")
        return self
