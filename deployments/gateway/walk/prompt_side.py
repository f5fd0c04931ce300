"""The prompt side of the walk: guard, then what the rewriter makes of the prompt, then guard again.

A rewrite is only a proposal. What the guard does not let pass is dropped, and the next safest
outcome is taken: without what merely improves the prompt, then a block.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from deployments.contracts import (
    Action,
    Change,
    Contract,
    GuardRequest,
    PromptVerdict,
    Rewrite,
    RewriteKind,
    RewriteRequest,
    Version,
)
from deployments.gateway.walk.head_start import HeadStart
from deployments.gateway.walk.services import Asker, Guard, Rewriter
from deployments.policy import Policy
from deployments.telemetry.trace import Trace

HARM: frozenset[RewriteKind] = frozenset({"anonymise", "soften", "generic"})
"""Kinds that take harm out. Where one is due and cannot be done, the prompt is blocked."""
PRIVACY = "privacy"
"""The category under which a private person is refused, where the policy has it."""


class Admission(Contract):
    """What the prompt side decided: a prompt for each picture, and whether to steer."""

    action: Action
    versions: tuple[Version, ...]
    steer: bool = False
    verdict: PromptVerdict

    @property
    def prompt(self) -> str:
        """The first picture's prompt."""
        return self.versions[0].prompt

    @property
    def changes(self) -> tuple[Change, ...]:
        """The first picture's changes."""
        return self.versions[0].changes


class PromptSide:
    """Holds no state between requests."""

    def __init__(self, policy: Policy, guard: Guard, rewriter: Rewriter, ask: Asker) -> None:
        self._policy, self._guard, self._rewriter, self._ask = policy, guard, rewriter, ask

    async def judge(
        self, request: GuardRequest, trace: Trace, undecided: Callable[[], None] | None = None
    ) -> PromptVerdict:
        """The guard's verdict. Raises Unavailable when there is none.

        Args:
            undecided: called when the rules let the prompt pass and the language model is asked.
        """
        verdict = await self._ask("guard", self._judged(request, undecided), trace)
        trace.stages(verdict.stages)
        trace.policy = verdict.policy
        return verdict

    async def _judged(
        self, request: GuardRequest, undecided: Callable[[], None] | None
    ) -> PromptVerdict:
        found = await self._guard.screen(request)
        if isinstance(found, PromptVerdict):
            return found
        if undecided:
            undecided()
        return await self._guard.decide(request, found)

    async def admit(
        self,
        request: GuardRequest,
        *,
        rewrite: bool,
        n: int,
        seed: int,
        trace: Trace,
        head_start: HeadStart | None = None,
    ) -> Admission:
        """The decision on a prompt for `n` pictures. Raises Unavailable when there is none.

        Args:
            head_start: told what will probably be drawn while a language model still decides.
        """

        def undecided() -> None:
            if head_start:
                head_start.prepare(partial(self._likely, request, rewrite, n, seed))

        verdict = await self.judge(request, trace, undecided)
        if head_start:
            head_start.stop_preparing()
        asked = (Version(prompt=request.prompt),) * n
        blocked = Admission(action="block", versions=asked, verdict=verdict)
        due = {verdict.rewrite} & HARM if verdict.action == "rewrite" else set()
        if verdict.action == "block" or (due and not rewrite):
            return blocked
        kept = Admission(
            action="steer" if verdict.action == "steer" else "allow",
            versions=asked,
            steer=verdict.action == "steer",
            verdict=verdict,
        )
        kinds = self._kinds(request, verdict, rewrite)
        if not kinds:
            return kept
        rewritten = await self._rewrite(request, verdict, kinds, n, seed, trace)
        done = {change.kind for change in rewritten.safe.changes}
        if due - done:
            return blocked
        if "anonymise" in done and not rewrite:
            return blocked.model_copy(update={"verdict": self._private(verdict, rewritten.safe)})
        for versions in dict.fromkeys((rewritten.pictures, (rewritten.safe,) * n)):
            if rewritten.safe.changes:
                if any(version.prompt == request.prompt for version in versions):
                    continue  # what was taken out has come back
            elif all(version.prompt == request.prompt for version in versions):
                return kept
            again = await self._judge_all(versions, request, trace, head_start)
            if all(_passes(verdict, versions) for verdict in again):
                return Admission(
                    action="rewrite",
                    versions=versions,
                    steer=kept.steer or any(verdict.action == "steer" for verdict in again),
                    verdict=verdict,
                )
        return blocked

    async def _likely(
        self, request: GuardRequest, rewrite: bool, n: int, seed: int
    ) -> Sequence[Version]:
        """The versions of a prompt that is allowed, as the rewriters without a model leave it."""
        verdict_free = [
            kind
            for kind, wanted in (
                ("anonymise", self._policy.manipulations.anonymise),
                ("diversify", rewrite and self._policy.manipulations.diversify is not None),
            )
            if wanted
        ]
        if not verdict_free:
            return (Version(prompt=request.prompt),) * n
        order = RewriteRequest.model_validate(
            {"prompt": request.prompt, "kinds": verdict_free, "n": n, "seed": seed}
        )
        return (await self._rewriter.rewrite(order)).pictures

    def _kinds(
        self, request: GuardRequest, verdict: PromptVerdict, rewrite: bool
    ) -> tuple[RewriteKind, ...]:
        """What is asked of the rewriter: the verdict's kind, and the policy's standing orders."""
        standing = self._policy.manipulations
        kinds: list[RewriteKind] = []
        if standing.anonymise or verdict.rewrite == "anonymise":
            kinds.append("anonymise")
        if rewrite and verdict.rewrite in ("soften", "generic", "ground"):
            kinds.append(verdict.rewrite)
        # An edit's instruction describes no scene: there is nothing to ground or to diversify.
        if rewrite and request.operation == "generate":
            if standing.ground and "ground" not in kinds:
                kinds.append("ground")
            if standing.diversify:
                kinds.append("diversify")
        return tuple(kinds)

    async def _rewrite(
        self,
        request: GuardRequest,
        verdict: PromptVerdict,
        kinds: tuple[RewriteKind, ...],
        n: int,
        seed: int,
        trace: Trace,
    ) -> Rewrite:
        order = RewriteRequest(
            prompt=request.prompt,
            kinds=kinds,
            category=verdict.category if verdict.action == "rewrite" else None,
            n=n,
            seed=seed,
        )
        rewritten = await self._ask("rewriter", self._rewriter.rewrite(order), trace)
        trace.stages(rewritten.stages)
        return rewritten

    async def _judge_all(
        self,
        versions: Sequence[Version],
        request: GuardRequest,
        trace: Trace,
        head_start: HeadStart | None,
    ) -> list[PromptVerdict]:
        """Verdicts on every prompt that is not the user's own, each asked once."""
        if head_start:
            head_start.keep(versions)
        prompts = dict.fromkeys(v.prompt for v in versions if v.prompt != request.prompt)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(
                        self.judge(
                            request.model_copy(update={"prompt": prompt}),
                            trace,
                            partial(head_start.begin, versions, prompt) if head_start else None,
                        )
                    )
                    for prompt in prompts
                ]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return [task.result() for task in tasks]

    def _private(self, verdict: PromptVerdict, safe: Version) -> PromptVerdict:
        why = next(change.why for change in safe.changes if change.kind == "anonymise")
        category = PRIVACY if PRIVACY in self._policy.categories else None
        return verdict.model_copy(update={"action": "block", "category": category, "why": why})


def _passes(verdict: PromptVerdict, versions: Sequence[Version]) -> bool:
    """Whether a version may be drawn; a description that we drew cannot itself be demeaning."""
    kinds = {change.kind for version in versions for change in version.changes}
    if verdict.action == "rewrite":
        return kinds == {"diversify"}
    return verdict.action != "block"
