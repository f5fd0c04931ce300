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
        """Level -> the token that tells it apart. Some models have one between safe and unsafe."""

    @property
    def longest(self) -> int:
        """Tokens of the longest question and its answer together."""

    def windows(self, request: GuardRequest) -> list[list[int]]:
        """Token ids of questions, up to the verdict's position. Together they show the request."""

    async def kinds(self, ids: list[int], level: Level) -> list[dict[str, float]]:
        """Which kind of harm a question shows. Asked once the verdict on it is `level`.

        Returns:
            Tables of category -> share of the score, in [0, 1]. Each table has all of `names` and
            sums to 1. Shares in one table are likelihoods of alternatives; several tables are kinds
            that hold together. No table if the model names no category of the policy.

        Raises:
            StageFailed: the engine cannot answer.
        """
