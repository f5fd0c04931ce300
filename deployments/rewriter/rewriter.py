"""Applies the manipulations: first what must leave the prompt, then what makes it better.

    anonymise -> soften | generic -> ground -> diversify

Each of them is a module of its own. The reviser does those that ask a language model: soften,
generic and ground. The trace gets one record for each that changed something.
"""

import asyncio
import time
from concurrent.futures import Executor

from deployments.contracts import (
    Change,
    Rewrite,
    RewriteRequest,
    StageRecord,
    Version,
)
from deployments.errors import StageFailed
from deployments.policy import Kinds
from deployments.rewriter.anonymise.anonymiser import Anonymiser
from deployments.rewriter.diversify.diversifier import Diversifier
from deployments.rewriter.revise.revision import Reviser
from deployments.telemetry.clock import elapsed


class PromptRewriter:
    """Applies the kinds that a request names. Holds no state between requests."""

    def __init__(
        self,
        anonymiser: Anonymiser | None,
        reviser: Reviser,
        diversifier: Diversifier | None,
        thread: Executor,
        reasons: Kinds,
    ) -> None:
        """
        Args:
            anonymiser: None under a policy that never anonymises; it costs seconds and 100 MB.
            diversifier: None under a policy without shares to draw from.
            thread: the one thread on which the anonymiser's encoder is used.
            reasons: the policy's, for the trace.
        """
        self._anonymiser, self._reviser, self._diversifier = anonymiser, reviser, diversifier
        self._thread, self._reasons = thread, reasons

    async def rewrite(self, request: RewriteRequest) -> Rewrite:
        """The safe version, and a version for each picture.

        Raises:
            StageFailed: the language model cannot answer, or the request asks to anonymise under a
                policy that never does.
        """
        started = time.perf_counter()
        revision = await self._reviser.revise(await self._anonymised(request), request)
        safe, base = revision.safe, revision.specific
        pictures = [base] * request.n
        # The people of a prompt that lost a name or an insult were described by it: none are drawn.
        if "diversify" in request.kinds and self._diversifier and not safe.changes:
            drawn = self._diversifier.diversify(base.prompt, request.n, request.seed)
            pictures = [
                Version(prompt=prompt, changes=(*base.changes, *changes))
                for prompt, changes in drawn
            ]
        changes = dict.fromkeys(change for version in pictures for change in version.changes)
        records = _records(request, tuple(changes), elapsed(started), self._reasons)
        return Rewrite(safe=safe, pictures=tuple(pictures), stages=records)

    async def _anonymised(self, request: RewriteRequest) -> Version:
        if "anonymise" not in request.kinds:
            return Version(prompt=request.prompt)
        if self._anonymiser is None:
            raise StageFailed("rewriter", "it was started under a policy that never anonymises")
        prompt, changes = await asyncio.get_running_loop().run_in_executor(
            self._thread, self._anonymiser.anonymise, request.prompt
        )
        return Version(prompt=prompt, changes=changes)


def _records(
    request: RewriteRequest, changes: tuple[Change, ...], ms: float, reasons: Kinds
) -> tuple[StageRecord, ...]:
    """One for each kind that changed something, or one that says that nothing was changed.

    The audit log keeps them, so they quote nothing of the prompt; a change's own reason may.
    """
    done = dict.fromkeys(change.kind for change in changes)
    if not done:
        return (StageRecord(stage="rewriter", action="unchanged", ms=ms),)
    return tuple(
        StageRecord(
            stage="rewriter",
            action=kind,
            category=request.category if kind in ("soften", "generic") else None,
            why=getattr(reasons, kind),
            ms=ms / len(done),
        )
        for kind in done
    )
