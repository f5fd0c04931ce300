"""Softening asks for the same picture without the harmful framing, `generic` without the protected
name.

The model's answer is a proposal. The guard judges it before it is drawn.
"""

from typing import Literal

from deployments.contracts import RewriteRequest, Version
from deployments.policy import Policy
from deployments.rewriter.revise.proposal import Proposer, changes_between
from deployments.rewriter.revise.similarity import Similarity

SoftKind = Literal["soften", "generic"]
"""`generic` puts somebody or something nameless in the place of what the category protects."""
SOFT_KINDS: tuple[SoftKind, ...] = ("soften", "generic")


def soft_kind(request: RewriteRequest) -> SoftKind | None:
    """Which of the two the request names; `soften` if it names both."""
    return next((kind for kind in SOFT_KINDS if kind in request.kinds), None)


async def softened(
    version: Version,
    found: str | None,
    kind: SoftKind,
    category: str,
    similarity: Similarity,
    policy: Policy,
) -> Version | None:
    """`version` in the wording found; None if there is none, or it means another picture."""
    if found is None or not await similarity.holds(version.prompt, found):
        return None
    reasons = policy.reasons.changes
    reason = reasons.soften if kind == "soften" else reasons.generic
    why = policy.why(category if category in policy.categories else None)
    changes = changes_between(version.prompt, found, kind, reason.format(why=why))
    return Version(prompt=found, changes=(*version.changes, *changes))


class Softener:
    """Asks the model for a softer prompt. Holds no state between requests."""

    def __init__(
        self, proposer: Proposer, similarity: Similarity, temperature: float, policy: Policy
    ) -> None:
        self._proposer, self._similarity = proposer, similarity
        self._temperature, self._policy = temperature, policy

    async def soften(
        self, version: Version, kind: SoftKind, category: str, seed: int
    ) -> Version | None:
        """The softer prompt, or None: nothing harmless is left, or the answer means another.

        Raises:
            StageFailed: the engine cannot answer.
        """
        found = await self._proposer.propose(
            version.prompt, category, temperature=self._temperature, seed=seed
        )
        return await softened(version, found, kind, category, self._similarity, self._policy)
