"""What an operator decides about the rewriter: its models, and how long an answer may be."""

import math
from typing import Literal

from pydantic import Field

from deployments.configuration import Configuration
from deployments.inference.language_model import LanguageModelConfig


class RewriterConfig(Configuration):
    """The rewriter's configuration: immutable, unknown keys refused."""

    llm: LanguageModelConfig
    llm_format: Literal["safelight", "instruct"] = Field(
        "safelight",
        description="how the model is asked: as our own LoRA, or as any instruct model, once",
    )
    names: str = Field(description="folder of the recogniser of names, for anonymise")
    threads: int = Field(1, ge=1, description="CPU threads of recogniser and sentence encoder")
    temperature: float = Field(
        0.0, ge=0, le=2, description="of soften; 0 is greedy: the same prompt has the same rewrite"
    )
    ground_temperature: float = Field(
        0.7, ge=0, le=2, description="of ground, and of a call that does both; drawn by the seed"
    )
    max_growth: float = Field(
        1.5, ge=1, description="tokens of the answer per token of the prompt, at most"
    )
    spare_tokens: int = Field(16, ge=1, description="that an answer may have on top of that")

    def longest_answer(self, tokens: int) -> int:
        """Tokens that another wording of a prompt of so many may have."""
        return math.ceil(tokens * self.max_growth) + self.spare_tokens
