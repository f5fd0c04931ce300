"""What an operator decides about the rewriter: its models, and how long their answers may be."""

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
        description="how the model is asked: as our own LoRA, a question for each kind, or as any "
        "instruct model, one question for all",
    )
    names: str = Field(description="folder of the tagger of names, for anonymise")
    threads: int = Field(
        1, ge=1, description="CPU threads of the tagger and of the sentence encoder"
    )
    temperature: float = Field(
        0.0,
        ge=0,
        le=2,
        description="temperature of soften; 0 is greedy: the same prompt has the same rewrite",
    )
    ground_temperature: float = Field(
        0.7,
        ge=0,
        le=2,
        description="temperature of ground, and of one question for both; drawn by the seed",
    )
    max_growth: float = Field(
        1.5, ge=1, description="the most tokens that an answer may have per token of the prompt"
    )
    spare_tokens: int = Field(16, ge=1, description="tokens that an answer may have in addition")

    def longest_answer(self, tokens: int) -> int:
        """The most tokens that a new wording may have, for a prompt of `tokens` tokens."""
        return math.ceil(tokens * self.max_growth) + self.spare_tokens
