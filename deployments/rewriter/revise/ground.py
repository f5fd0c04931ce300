"""Grounding makes a vague scene with people specific, as a vague one can be drawn in a risky way.

A rule finds vague prompts; the language model writes what happens instead. Its answer is drawn at a
temperature, by the request's seed: greedy, all people who have fun would dine at one restaurant.
"""

from deployments.contracts import Version
from deployments.policy import Changes
from deployments.rewriter.revise.proposal import Proposer, changes_between
from deployments.rewriter.revise.similarity import Similarity
from deployments.rewriter.revise.template import VAGUE
from deployments.rewriter.revise.vague import vague


async def grounded(
    version: Version, found: str | None, similarity: Similarity, reasons: Changes
) -> Version:
    """`version` in the wording found; unchanged if there is none, or it is vague or means another
    scene."""
    if found is None or vague(found) or not await similarity.holds(version.prompt, found):
        return version
    changes = changes_between(version.prompt, found, "ground", reasons.ground)
    return Version(prompt=found, changes=(*version.changes, *changes))


class Grounder:
    """Asks the model for a specific scene. Holds no state between requests."""

    def __init__(
        self, proposer: Proposer, similarity: Similarity, temperature: float, reasons: Changes
    ) -> None:
        self._proposer, self._similarity = proposer, similarity
        self._temperature, self._reasons = temperature, reasons

    async def ground(self, version: Version, seed: int) -> Version:
        """The specific prompt; the given one if it is specific already or nothing better is found.

        Raises:
            StageFailed: the engine cannot answer.
        """
        if not vague(version.prompt):
            return version
        found = await self._proposer.propose(
            version.prompt, VAGUE, temperature=self._temperature, seed=seed
        )
        return await grounded(version, found, self._similarity, self._reasons)
