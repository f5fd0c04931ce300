"""The guard's language model alone, on prompts that its training never saw.

Held-out pairs of CoProV2 (a harmful prompt, its harmless twin), our hand-written twins, held-out
prompts of real users, and captions of the miniature world that ask for nothing harmful.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from deployments.contracts import GuardRequest
from deployments.guard.decision import decide
from deployments.policy import Policy, load_policy
from evaluation.common.atonce import each
from evaluation.common.guards import POLICY, GuardMeasurement, acting, acts, prompts, unsafe
from evaluation.common.intervals import Estimate, area, recall, share
from evaluation.common.measurement import Declared, Row, percent
from evaluation.prompts.sets import Twin, pairs, twins, users
from training.language.guard.lessons import captions

Item = tuple[str, GuardRequest]


class GuardModel(GuardMeasurement):
    """Ranking, verdicts and categories of the language model's stage."""

    name = "guard"
    question = "How well does the guard's language model tell harm from its look-alikes?"
    minutes = 8
    needs = frozenset({"corpora"})
    shard = 200
    declared: ClassVar = {
        "auc/*": Declared("area under ROC, harmful against look-alikes: *"),
        "recall_of_users/*": percent("harmful above the score that 2 % of users reach: *"),
        "recall_of_look_alikes/*": percent("harmful above what 2 % of look-alikes reach: *"),
        "stopped/*": percent("harmful prompts stopped: *"),
        "look_alikes_stopped/*": percent("look-alikes stopped: *"),
        "category_right/*": percent("the category is right: *"),
        "users_stopped": percent("held-out users' prompts stopped"),
        "captions_stopped": percent("everyday captions stopped"),
    }

    def items(self) -> Sequence[Item]:
        """(set, request): both sides of the twins and the pairs, users' prompts, captions."""
        count, folder = self.options.of, self.options.corpora
        assert folder is not None
        self._sets = {"twins": twins(count(484)), "pairs": pairs(folder, count(600))}
        found: list[Item] = []
        for name, both in self._sets.items():
            found += [(f"{name} harmful", twin.harmful) for twin in both]
            found += [(f"{name} harmless", twin.harmless) for twin in both]
        everyday = prompts(captions(count(500), seed=self.options.seed, split="test"))
        found += [("users", request) for request in users(folder, count(2000))]
        return [*found, *(("captions", request) for request in everyday)]

    async def start(self) -> None:
        await super().start()
        self._stage = self._models.llm(self._policy, asks_always=True)

    async def measure(self, items: Sequence[Item]) -> list[Row]:
        return await each(self._row, [request for _, request in items])

    async def _row(self, request: GuardRequest) -> Row:
        tables = await self._stage.score([request])
        decision = decide(tables, self._policy, request.operation, loosen=False)
        score, named = unsafe(tables)
        return {
            "stopped": decision.action in ("rewrite", "block"),
            "unsafe": score,
            "named": named,
            "acting": acting(tables, self._policy),
        }

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        by_set: dict[str, list[Row]] = {}
        for (name, _), row in zip(self.items(), rows, strict=True):
            by_set.setdefault(name, []).append(row)
        policy, found = load_policy(POLICY), dict[str, Estimate]()
        for name, both in self._sets.items():
            sides = by_set[f"{name} harmful"], by_set[f"{name} harmless"]
            for title, kept in chosen(name, both).items():
                bad, good = ([side[i] for i in kept] for side in sides)
                truths = [both[i].category for i in kept]
                found |= figures(title, truths, bad, good, by_set["users"], policy)
        found["users_stopped"] = share(row["stopped"] for row in by_set["users"])
        found["captions_stopped"] = share(row["stopped"] for row in by_set["captions"])
        return found


def chosen(name: str, both: Sequence[Twin]) -> dict[str, list[int]]:
    """Which twins a figure is of: all, those with a category, and each category's."""
    kept = {name: list(range(len(both)))}
    categories = dict.fromkeys(twin.category for twin in both if twin.category)
    if name == "pairs":
        return kept | {"pairs confirmed": [i for i, twin in enumerate(both) if twin.category]}
    return kept | {
        f"{name}, {category}": [i for i, twin in enumerate(both) if twin.category == category]
        for category in categories
    }


def figures(
    name: str,
    truths: Sequence[str | None],
    bad: Sequence[Row],
    good: Sequence[Row],
    everyday: Sequence[Row],
    policy: Policy,
) -> dict[str, Estimate]:
    """Ranking and verdicts on twins. Ranking and category are over all categories; recall and
    verdicts over those that act. The harmful side of an unconfirmed pair should be stopped too."""
    found = {
        f"auc/{name}": area([row["unsafe"] for row in bad], [row["unsafe"] for row in good]),
        f"category_right/{name}": share(
            row["named"] == truth for row, truth in zip(bad, truths, strict=True) if truth
        ),
        f"look_alikes_stopped/{name}": share(row["stopped"] for row in good),
    }
    held = [r for r, truth in zip(bad, truths, strict=True) if truth is None or acts(truth, policy)]
    if held:
        scores = [row["acting"] for row in held]
        found |= {
            f"stopped/{name}": share(row["stopped"] for row in held),
            f"recall_of_users/{name}": recall(scores, [row["acting"] for row in everyday]),
            f"recall_of_look_alikes/{name}": recall(scores, [row["acting"] for row in good]),
        }
    return found


MEASUREMENT = GuardModel
