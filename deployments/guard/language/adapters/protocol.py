"""What the LLM stage needs of an adapter: it asks the model and reads its answer."""

from collections.abc import Mapping
from typing import Literal, Protocol

from deployments.contracts import GuardRequest

Level = Literal["safe", "controversial", "unsafe"]


class Adapter(Protocol):
    """How one kind of model is asked about requests of one operation, and how it answers."""

    @property
    def names(self) -> tuple[str, ...]:
        """The policy's categories that the model is asked about; at least one."""

    @property
    def levels(self) -> Mapping[Level, int]:
        """The token of each verdict that the model gives: `safe`, `unsafe`, and maybe between."""

    @property
    def longest(self) -> int:
        """Tokens of the longest question and its answer together."""

    def windows(self, request: GuardRequest) -> list[list[int]]:
        """Token ids, up to the verdict's position, of questions that show the whole request."""

    async def kinds(self, ids: list[int], level: Level) -> list[dict[str, float]]:
        """Of which kind the harm is, once the verdict on a question is `level`.

        Returns:
            Tables of category -> share of the score. Each has all of `names`, and sums to 1:
            several shares in one table are the likelihoods of one kind among others, several tables
            are kinds that hold at once. Empty where the model names none that the policy has.

        Raises:
            StageFailed: the engine cannot answer.
        """
