"""The answer form of this repository's own LoRA: one letter for each category."""

import math
from collections.abc import Mapping

from deployments.contracts import GuardRequest
from deployments.guard.config import GuardConfig
from deployments.guard.language.adapters.protocol import Level
from deployments.guard.language.question import GuardTemplate
from deployments.inference.protocols import CausalLM
from deployments.policy import Policy


class SafelightAdapter:
    """Reads the category off one forward pass that scores all letters."""

    def __init__(self, model: CausalLM, policy: Policy, config: GuardConfig) -> None:
        """
        Args:
            policy: has only the categories to ask about.

        Raises:
            ConfigurationError: the tokenizer does not fit the template.
        """
        self._model, self._min_mass = model, config.min_answer_mass
        self._template = GuardTemplate(model.tokenizer, policy, config.window, config.overlap)
        self.names = tuple(self._template.code_ids)
        self.levels: Mapping[Level, int] = {
            "safe": self._template.safe_id,
            "unsafe": self._template.unsafe_id,
        }
        blank = self._template.encode(GuardRequest(prompt="", negative_prompt="."))
        self.longest = config.window + len(self._template.with_unsafe(blank))

    def windows(self, request: GuardRequest) -> list[list[int]]:
        return self._template.windows(request)

    async def kinds(self, ids: list[int], level: Level) -> list[dict[str, float]]:
        code_ids = self._template.code_ids
        codes = await self._model.next_token_logprobs(
            self._template.with_unsafe(ids), list(code_ids.values())
        )
        weights = {name: math.exp(codes[token]) for name, token in code_ids.items()}
        total = sum(weights.values())
        if not total >= self._min_mass:  # true for NaN too
            return []
        return [{name: weight / total for name, weight in weights.items()}]
