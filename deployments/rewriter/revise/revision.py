"""What the rewriter needs of a language model, however it is asked."""

from dataclasses import dataclass
from typing import Protocol

from deployments.contracts import RewriteRequest, Version


@dataclass(frozen=True)
class Revision:
    """A prompt as the model leaves it; the version given where nothing is due or can be done.

    Attributes:
        safe: after soften or generic.
        specific: after ground too.
    """

    safe: Version
    specific: Version


class Reviser(Protocol):
    """Softens or makes generic, then grounds: those of them that the request names."""

    async def revise(self, version: Version, request: RewriteRequest) -> Revision:
        """
        Args:
            version: the prompt so far, in the place of the request's own.

        Raises:
            StageFailed: the engine cannot answer.
        """
