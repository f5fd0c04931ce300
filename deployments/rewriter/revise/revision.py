"""What softening and grounding give back, whichever way the language model is asked."""

from dataclasses import dataclass
from typing import Protocol

from deployments.contracts import RewriteRequest, Version


@dataclass(frozen=True)
class Revision:
    """A prompt after the model's manipulations.

    Attributes:
        safe: after soften or generic; the version given if neither is due or possible.
        specific: after ground too; `safe` if that is not due or not possible.
    """

    safe: Version
    specific: Version


class Reviser(Protocol):
    """Softens or makes generic, and then grounds: what of it the request names."""

    async def revise(self, version: Version, request: RewriteRequest) -> Revision:
        """
        Args:
            version: the prompt so far; it is read instead of the request's own.

        Raises:
            StageFailed: the engine cannot answer.
        """
