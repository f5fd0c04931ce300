"""Categories that an operator adds in his own words, without any training.

Twenty categories (operator_categories.yaml), each added to the default policy alone, with 30
prompts that it forbids and 30 near ones that it allows. Readers: the language model with the
description only, with the examples too, the few-shot matcher, and what serves: the model with
examples and the matcher, weighted as the policy says.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, ClassVar

from deployments.contracts import GuardRequest
from deployments.guard.decision import decide
from deployments.guard.embedding.few_shot import FewShot
from deployments.guard.language.stage import LLMStage
from deployments.inference.encoder import TokenEncoder
from deployments.policy import Category, Examples, Policy, load_policy
from evaluation.common.atonce import each
from evaluation.common.files import tables
from evaluation.common.guards import POLICY, GuardMeasurement, prompts
from evaluation.common.intervals import Estimate, area, mean, recall, share
from evaluation.common.measurement import Declared, Row, percent

READERS = ("llm", "llm_with_examples", "few_shot", "both")
SIDES = ("prompts", "near")
FALSE_POSITIVES = 0.05


class Operators(GuardMeasurement):
    """Area under ROC by reader, and found and false at the policy's threshold."""

    name = "operators"
    question = "Does the guard hold to a category that an operator describes, without training?"
    minutes = 8
    shard = 1
    declared: ClassVar = {
        "auc/*": Declared("mean area under ROC of 20 categories: *"),
        "found/*": percent("forbidden prompts found at the policy's threshold: *"),
        "near_stopped/*": percent("near prompts stopped at the policy's threshold: *"),
        "recall/*": percent("forbidden prompts above the score that 5 % of near ones reach: *"),
        "auc_category/*": Declared("area under ROC, both: *"),
    }

    def items(self) -> Sequence[tuple[str, Row]]:
        return list(tables("operator_categories.yaml").items())[: self.options.of(20)]

    async def start(self) -> None:
        await super().start()
        self._encoder = cache(TokenEncoder)

    async def measure(self, items: Sequence[tuple[str, Row]]) -> list[Row]:
        return [await self._row(name, row) for name, row in items]

    async def _row(self, name: str, row: Row) -> Row:
        policy = load_policy(POLICY)
        told, shown = (grown(policy, name, row, shown=shown) for shown in (False, True))
        matcher, weight = FewShot(shown, self._encoder), shown.embedding_weight(name)
        found: Row = {}
        for side in SIDES:
            asked = prompts(row[side])
            scores = {
                "llm": await self._own(self._models.llm(told), told, asked, name),
                "llm_with_examples": await self._own(self._models.llm(shown), shown, asked, name),
                "few_shot": [float(matcher.score([request])[0].scores[name]) for request in asked],
            }
            both = zip(scores["few_shot"], scores["llm_with_examples"], strict=True)
            scores["both"] = [weight * near + (1 - weight) * read for near, read in both]
            found[side] = scores
        return found

    async def _own(
        self, stage: LLMStage, policy: Policy, asked: Sequence[GuardRequest], name: str
    ) -> list[float]:
        async def score(request: GuardRequest) -> float:
            read = await stage.score([request])
            return decide(read, policy, request.operation, loosen=False).scores[name]

        return await each(score, asked)

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        act, found = load_policy(POLICY).thresholds.act, dict[str, Estimate]()
        for reader in READERS:
            by_category = [[row[side][reader] for side in SIDES] for row in rows]
            forbidden, near = (
                [score for sides in by_category for score in sides[i]] for i in range(2)
            )
            areas = [area(*sides).value for sides in by_category]
            found |= {
                f"auc/{reader}": mean(areas),
                f"found/{reader}": share(score >= act for score in forbidden),
                f"near_stopped/{reader}": share(score >= act for score in near),
                f"recall/{reader}": recall(forbidden, near, FALSE_POSITIVES),
            }
        for (name, _), row in zip(self.items(), rows, strict=True):
            found[f"auc_category/{name}"] = area(*(row[side]["both"] for side in SIDES))
        return found


def grown(policy: Policy, name: str, row: Mapping[str, Any], *, shown: bool) -> Policy:
    """The policy with the operator's category; its examples are left out where not `shown`."""
    own = Category(
        code="Z",
        description=row["description"],
        why=row["why"],
        action="block",
        examples=Examples.model_validate(row["examples"]) if shown else None,
    )
    return policy.model_copy(update={"categories": policy.categories | {name: own}})


MEASUREMENT = Operators
