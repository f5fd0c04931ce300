"""What an operator decides about the guard: its model, how it reads, and what it must know."""

from typing import Literal, Self

from pydantic import Field, model_validator

from deployments.configuration import Configuration
from deployments.guard.canaries import Canaries
from deployments.inference.language_model import LanguageModelConfig
from deployments.policy import CNNThresholds


class ShadowConfig(Configuration):
    """A candidate that judges the active guard's prompts, is logged where it differs, never acts.

    It is a whole policy, or the active one with another single stage. A policy file of its own is
    read once, at the start; the active policy's word lists are followed.
    """

    policy: str | None = Field(None, description="policy file of the candidate")
    cnn: str | None = Field(None, description="folder of another embedding CNN, `none`: without")
    cnn_thresholds: CNNThresholds | None = Field(None, description="instead of the policy's `cnn`")
    log: str = Field("runs/shadow.jsonl", description="appended to, relative to the repository")
    at_once: int = Field(8, ge=1, description="prompts in flight; further ones are left out")
    seconds: float = Field(30.0, gt=0, description="after which a prompt is given up")

    @model_validator(mode="after")
    def _tries_something(self) -> Self:
        if self.policy is None and self.cnn is None and self.cnn_thresholds is None:
            raise ValueError("a shadow needs a `policy`, a `cnn` or `cnn_thresholds` to try")
        return self


class GuardConfig(Configuration):
    """The guard's configuration: immutable, unknown keys refused."""

    llm: LanguageModelConfig
    llm_format: Literal["safelight", "llama_guard", "qwen3_guard"] = Field(
        "safelight", description="how the model is asked and answers: the family it belongs to"
    )
    llm_categories: dict[str, tuple[str, ...]] = Field(
        {}, description="category of the model's own -> categories of the policy that it counts as"
    )
    llm_unjudged: tuple[str, ...] = Field(
        (), description="categories that the model lacks and the other stages judge alone"
    )
    controversial: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="where a verdict between safe and unsafe stands: 0 at `steer`, 1 at `act`",
    )
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
    reload_seconds: float = Field(
        5.0, ge=0, description="how often changed word lists are looked for; 0: never"
    )
    shadow: ShadowConfig | None = Field(
        None, description="a candidate beside the active guard, which never acts"
    )

    @model_validator(mode="after")
    def _windows_advance(self) -> Self:
        if self.overlap >= self.window:
            raise ValueError(f"overlap {self.overlap} must be below the window {self.window}")
        return self

    @model_validator(mode="after")
    def _asks_of_a_taxonomy(self) -> Self:
        if self.llm_format == "safelight" and (self.llm_categories or self.llm_unjudged):
            raise ValueError(
                "llm_categories and llm_unjudged are for models with categories of their own; "
                "llm_format safelight asks about the policy's"
            )
        return self
