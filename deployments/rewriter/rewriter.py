"""The manipulations in order: what must go first, then what makes the prompt better.

    anonymise -> soften | generic -> ground -> diversify

Each is a module of its own; what asks a language model (soften, generic, ground) is the reviser's.
The trace gets one record for each that changed something.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from deployments.contracts import (
    Change,
    Rewrite,
    RewriteKind,
    RewriteRequest,
    StageRecord,
    Version,
)
from deployments.rewriter.revise.revision import Reviser


class Anonymiser(Protocol):
    def anonymise(self, prompt: str) -> tuple[str, tuple[Change, ...]]: ...


class Diversifier(Protocol):
    def diversify(self, prompt: str, n: int, seed: int) -> list[tuple[str, tuple[Change, ...]]]: ...


class PromptRewriter:
    """Applies the kinds that a request names. Holds no state between requests."""

    def __init__(
        self,
        anonymiser: Anonymiser | None,
        reviser: Reviser,
        diversifier: Diversifier | None,
    ) -> None:
        """Without an anonymiser or a diversifier the policy does not use it."""
        self._anonymiser, self._reviser, self._diversifier = anonymiser, reviser, diversifier
        # One at a time: more threads would only take the core from one another and from the engine.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="names")

    async def rewrite(self, request: RewriteRequest) -> Rewrite:
        """The safe version, and a version for each picture.

        Raises:
            StageFailed: the language model cannot answer.
        """
        started = time.perf_counter()
        revision = await self._reviser.revise(await self._anonymised(request), request)
        safe, base = revision.safe, revision.specific
        pictures = [base] * request.n
        # Who was named or described before a name or an insult went is not to be described anew.
        if "diversify" in request.kinds and self._diversifier and not safe.changes:
            drawn = self._diversifier.diversify(base.prompt, request.n, request.seed)
            pictures = [
                Version(prompt=prompt, changes=(*base.changes, *changes))
                for prompt, changes in drawn
            ]
        changes = dict.fromkeys(change for version in pictures for change in version.changes)
        records = _records(request, tuple(changes), (time.perf_counter() - started) * 1000)
        return Rewrite(safe=safe, pictures=tuple(pictures), stages=records)

    async def _anonymised(self, request: RewriteRequest) -> Version:
        if "anonymise" not in request.kinds or not self._anonymiser:
            return Version(prompt=request.prompt)
        prompt, changes = await asyncio.get_running_loop().run_in_executor(
            self._thread, self._anonymiser.anonymise, request.prompt
        )
        return Version(prompt=prompt, changes=changes)


WHY: dict[RewriteKind, str] = {
    "anonymise": "private persons and what is theirs were taken out",
    "soften": "softened, because of what the guard found",
    "generic": "made generic, because of what the guard found",
    "ground": "made specific, because the scene was left open",
    "diversify": "people whom nobody described were described",
}
"""For the trace, which the audit log keeps: unlike a change's own reason it quotes nothing."""


def _records(
    request: RewriteRequest, changes: tuple[Change, ...], ms: float
) -> tuple[StageRecord, ...]:
    """One for each kind that changed something, or one that says that nothing was changed."""
    done = dict.fromkeys(change.kind for change in changes)
    if not done:
        return (StageRecord(stage="rewriter", action="unchanged", ms=ms),)
    return tuple(
        StageRecord(
            stage="rewriter",
            action=kind,
            category=request.category if kind in ("soften", "generic") else None,
            why=WHY[kind],
            ms=ms / len(done),
        )
        for kind in done
    )
