"""Softening: the same picture without the harmful framing; `generic`, without the protected name.

The model's answer is only a proposal. The walk has the guard judge it again before it is drawn.
"""

from typing import Literal

from deployments.contracts import Version
from deployments.rewriter.proposal import Proposer, changes_between
from deployments.rewriter.similarity import Similarity

SoftKind = Literal["soften", "generic"]


class Softener:
    """Asks the model for a softer prompt. Holds no state between requests."""

    def __init__(self, proposer: Proposer, similarity: Similarity, temperature: float) -> None:
        self._proposer, self._similarity = proposer, similarity
        self._temperature = temperature

    async def soften(self, version: Version, category: str, seed: int) -> Version | None:
        """The softened prompt, or None: nothing harmless is left, or the answer drifts away.

        Raises:
            StageFailed: the engine cannot answer.
        """
        return await self._rewritten(version, "soften", category, seed)

    async def generic(self, version: Version, category: str, seed: int) -> Version | None:
        """The prompt with somebody or something nameless in the place of what `category` protects.

        Raises:
            StageFailed: the engine cannot answer.
        """
        return await self._rewritten(version, "generic", category, seed)

    async def _rewritten(
        self, version: Version, kind: SoftKind, category: str, seed: int
    ) -> Version | None:
        found = await self._proposer.propose(
            version.prompt, category, temperature=self._temperature, seed=seed
        )
        if found is None or not await self._similarity.holds(version.prompt, found):
            return None
        what = "softened" if kind == "soften" else "made generic"
        why = f"{what}, because the prompt was found {category.replace('_', ' ')}"
        changes = changes_between(version.prompt, found, kind, why)
        return Version(prompt=found, changes=(*version.changes, *changes))
