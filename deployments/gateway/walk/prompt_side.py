"""The prompt side of the walk: guard, then what the rewriter makes of the prompt, then guard again.

A rewrite is only a proposal. What the guard does not let pass is dropped, and the next safest
outcome is taken: without what merely improves the prompt, then a block.
"""

from collections.abc import Iterator, Sequence
from functools import partial

from deployments.contracts import (
    Action,
    Contract,
    PromptVerdict,
    Rewrite,
    RewriteKind,
    RewriteRequest,
    Version,
)
from deployments.futures import all_of
from deployments.gateway.walk.head_start import HeadStart
from deployments.gateway.walk.jobs import PromptJob
from deployments.gateway.walk.stages import Stages
from deployments.policy import Policy

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


class PromptSide:
    """The prompt side of one request."""

    def __init__(self, policy: Policy, stages: Stages, head_start: HeadStart) -> None:
        """`head_start` is told what will probably be drawn while a language model decides."""
        self._policy, self._stages, self._head_start = policy, stages, head_start

    async def admit(self, job: PromptJob) -> Admission:
        """The decision on a prompt. Raises Unavailable when there is none."""
        verdict = await self._stages.judge_prompt(
            job.question(job.prompt),
            undecided=lambda: self._head_start.prepare(partial(self._likely, job)),
        )
        self._head_start.stop_preparing()
        if verdict.action == "block" or (_due(verdict) and not job.rewrite):
            return _blocked(job, verdict)
        kinds = self._kinds(job, verdict)
        if not kinds:
            return _as_it_stands(job, verdict)
        proposal = await self._stages.rewrite(
            RewriteRequest(
                prompt=job.prompt,
                kinds=kinds,
                category=verdict.category if verdict.action == "rewrite" else None,
                n=job.n,
                seed=job.seed,
            )
        )
        return await self._rewritten(job, verdict, proposal)

    async def _rewritten(
        self, job: PromptJob, verdict: PromptVerdict, proposal: Rewrite
    ) -> Admission:
        done = {change.kind for change in proposal.safe.changes}
        if _due(verdict) - done:
            return _blocked(job, verdict)
        if "anonymise" in done and not job.rewrite:
            return _blocked(job, self._private(verdict, proposal.safe))
        for versions in _candidates(job, proposal):
            again = await self._judge_all(job, versions)
            if all(_passes(one, versions) for one in again):
                steer = any(one.action == "steer" for one in (verdict, *again))
                return Admission(action="rewrite", versions=versions, steer=steer, verdict=verdict)
            why = "the guard did not let the rewritten prompt pass"
            self._stages.note("rewriter", "dropped", why, about="proposal")
        return _blocked(job, verdict) if done else _as_it_stands(job, verdict)

    async def _likely(self, job: PromptJob) -> Sequence[Version]:
        """The versions of a prompt that is allowed, as the rewriters without a model leave it."""
        kinds = self._standing(job)
        if not kinds:
            return (Version(prompt=job.prompt),) * job.n
        request = RewriteRequest(prompt=job.prompt, kinds=kinds, n=job.n, seed=job.seed)
        return (await self._stages.propose(request)).pictures

    def _kinds(self, job: PromptJob, verdict: PromptVerdict) -> tuple[RewriteKind, ...]:
        """What is asked of the rewriter: the verdict's kind, and what the policy always asks."""
        kinds = set(self._standing(job))
        if verdict.rewrite and job.rewrite:
            kinds.add(verdict.rewrite)
        if self._policy.manipulations.ground and _describes_a_scene(job):
            kinds.add("ground")
        return tuple(sorted(kinds))

    def _standing(self, job: PromptJob) -> tuple[RewriteKind, ...]:
        """What the policy asks for whatever the verdict, and takes no language model."""
        kinds: list[RewriteKind] = []
        if self._policy.manipulations.anonymise:
            kinds.append("anonymise")
        if self._policy.manipulations.diversify and _describes_a_scene(job):
            kinds.append("diversify")
        return tuple(kinds)

    async def _judge_all(self, job: PromptJob, versions: Sequence[Version]) -> list[PromptVerdict]:
        """Verdicts on every prompt that is not the user's own, each asked once."""
        self._head_start.keep(versions)
        prompts = dict.fromkeys(v.prompt for v in versions if v.prompt != job.prompt)
        return await all_of(
            self._stages.judge_prompt(
                job.question(prompt),
                about="proposal",
                undecided=partial(self._head_start.begin, versions, prompt),
            )
            for prompt in prompts
        )

    def _private(self, verdict: PromptVerdict, safe: Version) -> PromptVerdict:
        why = next(change.why for change in safe.changes if change.kind == "anonymise")
        category = PRIVACY if PRIVACY in self._policy.categories else None
        return verdict.model_copy(update={"action": "block", "category": category, "why": why})


def _due(verdict: PromptVerdict) -> set[RewriteKind]:
    """What harm must be taken out before anything is drawn."""
    return {verdict.rewrite} & HARM if verdict.action == "rewrite" and verdict.rewrite else set()


def _describes_a_scene(job: PromptJob) -> bool:
    """An edit's instruction describes none: there is nothing to ground or to diversify."""
    return job.rewrite and job.operation == "generate"


def _blocked(job: PromptJob, verdict: PromptVerdict) -> Admission:
    return Admission(action="block", versions=_unchanged(job), verdict=verdict)


def _as_it_stands(job: PromptJob, verdict: PromptVerdict) -> Admission:
    steer = verdict.action == "steer"
    action: Action = "steer" if steer else "allow"
    return Admission(action=action, versions=_unchanged(job), steer=steer, verdict=verdict)


def _unchanged(job: PromptJob) -> tuple[Version, ...]:
    return (Version(prompt=job.prompt),) * job.n


def _candidates(job: PromptJob, proposal: Rewrite) -> Iterator[tuple[Version, ...]]:
    """The proposal's versions, then those without what merely improves the prompt."""
    for versions in dict.fromkeys((proposal.pictures, (proposal.safe,) * job.n)):
        the_users = [version.prompt == job.prompt for version in versions]
        # Where harm was taken out, no version may bring it back.
        if not (any(the_users) if proposal.safe.changes else all(the_users)):
            yield versions


def _passes(verdict: PromptVerdict, versions: Sequence[Version]) -> bool:
    """Whether a version may be drawn; a description that we drew cannot itself be demeaning."""
    kinds = {change.kind for version in versions for change in version.changes}
    if verdict.action == "rewrite":
        return kinds == {"diversify"}
    return verdict.action != "block"
