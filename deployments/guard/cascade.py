"""The guard's stages, one after the other: rules, the embedding CNN, the language model.

A stage decides what it is sure of and leaves the rest to the next. The CNN may let a prompt pass
only if it knows every category that the policy acts on, and if the prompt has no listed word.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import Protocol

from deployments.contracts import GuardRequest, PromptVerdict, Screening, StageRecord
from deployments.guard.decision import UNKNOWN, Decision, decide
from deployments.guard.language.stage import LLMStage
from deployments.guard.words.blocklist import Blocklist, Hits
from deployments.guard.words.minors import joins_minor_and_sexual
from deployments.guard.words.normalise import normalise, readings
from deployments.policy import MINORS, Policy
from deployments.telemetry.clock import elapsed

Tables = Sequence[Mapping[str, float]]
"""Category -> score; one table for each piece of a request."""


class Embedding(Protocol):
    """What the cascade needs of `deployments.guard.embedding.stage.EmbeddingStage`."""

    @property
    def categories(self) -> tuple[str, ...]: ...

    def score(self, requests: Sequence[GuardRequest]) -> list[dict[str, float]]: ...


class Cascade:
    """Judges requests under one policy. Holds no state between them."""

    def __init__(
        self,
        policy: Policy,
        llm: LLMStage,
        cnn: Embedding | None = None,
        thread: Executor | None = None,
    ) -> None:
        """
        Args:
            thread: where the embedding stage runs; the loop's own threads without one.
        """
        self._policy, self._llm, self._cnn, self._thread = policy, llm, cnn, thread
        self._blocklist = Blocklist(policy)

    def reworded(self, policy: Policy) -> "Cascade":
        """The same stages with the word lists of `policy`, which may differ in nothing else."""
        return Cascade(policy, self._llm, self._cnn, self._thread)

    async def judge(self, request: GuardRequest) -> PromptVerdict:
        """The verdict of the first stage that blocks, else of model and word lists together.

        Raises:
            Unavailable: the model cannot answer; there is no verdict then.
        """
        found = await self.screen(request)
        return found if isinstance(found, PromptVerdict) else await self.decide(request, found)

    async def screen(self, request: GuardRequest) -> PromptVerdict | Screening:
        """The verdict, if it needs no language model; else what the first stages found."""
        started = time.perf_counter()
        if joins_minor_and_sexual(request.prompt, request.negative_prompt):
            return self._minors_verdict(started)
        records = [StageRecord(stage="minors", action="pass", ms=elapsed(started))]

        started = time.perf_counter()
        hits = self._blocklist.find(readings(request.prompt))
        listed = [dict.fromkeys(hits.blocked, 1.0)]
        decision = self._decide(listed, request)
        if decision.action == "block":
            return self._verdict(decision, "blocklist", started, records)
        records.append(_blocklist_record(hits, started))
        seen: Tables = []
        if self._cnn:
            started = time.perf_counter()
            seen = await self._read(request)
            if verdict := self._settled(seen, request, hits, started, records):
                return verdict
        return Screening(
            policy=self._policy.ref,
            stages=tuple(records),
            listed=tuple(listed),
            seen=tuple(seen),
        )

    async def decide(self, request: GuardRequest, screening: Screening) -> PromptVerdict:
        """The verdict of the language model on what was screened.

        A screening under other word lists is done again.

        Raises:
            Unavailable: the model cannot answer; there is no verdict then.
        """
        if screening.policy != self._policy.ref:
            found = await self.screen(request)
            if isinstance(found, PromptVerdict):
                return found
            screening = found
        started = time.perf_counter()
        answers = await self._llm.score(_questions(request))
        tables = mixed(answers, screening.seen, self._policy)
        decision = self._decide([*screening.listed, *tables], request)
        by_list = any(decision.category in table for table in screening.listed)
        stage = "blocklist" if by_list else "llm"
        return self._verdict(decision, stage, started, screening.stages)

    async def judge_by_embedding(self, request: GuardRequest) -> PromptVerdict | None:
        """The embedding stage's verdict alone, without the rules; None where it is not sure."""
        seen = await self._read(request)
        return self._settled(seen, request, Hits((), ()), time.perf_counter(), [])

    async def judge_by_model(self, request: GuardRequest) -> PromptVerdict:
        """The language model's verdict alone, without the rules."""
        return await self.decide(request, Screening(policy=self._policy.ref))

    async def _read(self, request: GuardRequest) -> Tables:
        if self._cnn is None:
            return []
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._cnn.score, _questions(request)
        )

    def _settled(
        self,
        tables: Tables,
        request: GuardRequest,
        hits: Hits,
        started: float,
        records: list[StageRecord],
    ) -> PromptVerdict | None:
        """The CNN's verdict where it is sure; else a record that it passes the prompt on."""
        acting = [
            name
            for name, category in self._policy.categories.items()
            if category.action != "allow" and request.operation in category.operations
        ]
        worst, surely = _heaviest(tables, acting), _heaviest(tables, self._blocking(acting))
        known = self._cnn is not None and set(acting) <= set(self._cnn.categories)
        decision = self._decide(tables, request)
        listed = {*hits.blocked, *hits.suspect} & set(acting)
        # No table means that the CNN read nothing: its encoder drops characters that others read.
        if tables and worst < self._policy.cnn.pass_below and known and not listed:
            if decision.action == "allow":
                return self._verdict(decision, "cnn", started, records)
        elif surely > self._policy.cnn.block_above and decision.action == "block":
            return self._verdict(decision, "cnn", started, records)
        records.append(
            StageRecord(
                stage="cnn",
                action="ask",
                category=decision.category,
                score=min(worst, 1.0),
                ms=elapsed(started),
            )
        )
        return None

    def _blocking(self, acting: Sequence[str]) -> list[str]:
        # The CNN tells harm better than its kind: it must not block what the policy would rewrite.
        return [name for name in acting if self._policy.categories[name].action == "block"]

    def _decide(self, tables: Tables, request: GuardRequest) -> Decision:
        return decide(tables, self._policy, request.operation, request.loosen)

    def _verdict(
        self, decision: Decision, stage: str, started: float, records: Sequence[StageRecord]
    ) -> PromptVerdict:
        record = StageRecord(
            stage=stage,
            action=decision.action,
            category=decision.category,
            score=decision.score,
            why="" if decision.action == "allow" else self._policy.why(decision.category),
            ms=elapsed(started),
        )
        return PromptVerdict(
            policy=self._policy.ref,
            action=decision.action,
            category=decision.category,
            score=decision.score,
            why=record.why,
            stage=stage,
            scores=decision.scores,
            rewrite=decision.rewrite,
            stages=(*records, record),
        )

    def _minors_verdict(self, started: float) -> PromptVerdict:
        scores = {**dict.fromkeys(self._policy.categories, 0.0), MINORS: 1.0}
        decision = Decision("block", MINORS, 1.0, None, scores)
        return self._verdict(decision, "minors", started, [])


def mixed(llm: Tables, cnn: Tables, policy: Policy) -> Tables:
    """Both stages' scores as one: their weighted mean, where both know the category.

    Every table of the one stage is paired with every table of the other, so that a category's worst
    score, and the worst sum of a window, are the means of the stages' own.
    """
    weights = {name: policy.embedding_weight(name) for name in policy.categories}
    if not cnn or not any(weights.values()):
        return llm
    return [_mean(by_llm, by_cnn, weights) for by_llm in llm for by_cnn in cnn]


def _mean(
    by_llm: Mapping[str, float], by_cnn: Mapping[str, float], weights: Mapping[str, float]
) -> dict[str, float]:
    """A category that only one of the two names keeps that one's score."""
    if UNKNOWN in by_llm:  # it says nothing of the categories
        return dict(by_llm)
    both = {
        name: (1 - weight) * by_llm[name] + weight * by_cnn[name]
        for name, weight in weights.items()
        if name in by_llm and name in by_cnn
    }
    return {**by_cnn, **by_llm, **both}


def _heaviest(tables: Tables, names: Sequence[str]) -> float:
    """The largest sum of these categories' scores in one table."""
    return max((sum(table.get(name, 0.0) for name in names) for table in tables), default=0.0)


def _questions(request: GuardRequest) -> list[GuardRequest]:
    """The request without disguise, and again with its spelling resolved if that differs."""
    plain = request.model_copy(
        update={
            "prompt": normalise(request.prompt),
            "negative_prompt": normalise(request.negative_prompt),
        }
    )
    _, *spelt = readings(request.prompt)
    return [plain, *(plain.model_copy(update={"prompt": text}) for text in spelt)]


def _blocklist_record(hits: Hits, started: float) -> StageRecord:
    """`ask`: a listed word was found, and the model decides what it means here."""
    found = (*hits.blocked, *hits.suspect)
    return StageRecord(
        stage="blocklist",
        action="ask" if found else "pass",
        category=found[0] if found else None,
        ms=elapsed(started),
    )
