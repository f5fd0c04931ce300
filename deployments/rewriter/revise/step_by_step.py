"""One question for each kind, in the form that this repository's own LoRA is trained on."""

from deployments.contracts import RewriteRequest, Version
from deployments.rewriter.revise.ground import Grounder
from deployments.rewriter.revise.revision import Revision
from deployments.rewriter.revise.soften import Softener, soft_kind


class StepByStep:
    """A `Reviser` that softens first, and then grounds.

    A prompt that is to be softened and cannot be is not grounded either: the walk blocks it.
    """

    def __init__(self, softener: Softener, grounder: Grounder) -> None:
        self._softener, self._grounder = softener, grounder

    async def revise(self, version: Version, request: RewriteRequest) -> Revision:
        safe = version
        if kind := soft_kind(request):
            category = request.category or ""
            softer = await self._softener.soften(version, kind, category, request.seed)
            if softer is None:
                return Revision(version, version)
            safe = softer
        if "ground" not in request.kinds:
            return Revision(safe, safe)
        return Revision(safe, await self._grounder.ground(safe, request.seed))
