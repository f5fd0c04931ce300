"""What it does to the verdicts of the guard's language model when one category is switched off.

Both ways: `allowed`, its action set to allow, so that the guard still knows what it lets pass; and
`removed` from the file, where its prompts may go on being stopped as something else. A category
that a wider one contains (sex crimes: sexual) may so in either.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from deployments.contracts import GuardRequest
from deployments.guard.decision import decide
from deployments.policy import Policy, load_policy
from evaluation.common.atonce import each
from evaluation.common.guards import POLICY, GuardMeasurement, acts
from evaluation.common.intervals import Estimate, share
from evaluation.common.measurement import Row, percent
from evaluation.prompts.sets import twins, users

OWN, OTHERS = 12, 100
"""Harmful prompts of each category, and users' prompts."""
WAYS = ("allowed", "removed")


class SwitchedOff(GuardMeasurement):
    """Each acting category in turn."""

    name = "switched_off"
    question = (
        "Does a category that is switched off let its own prompts pass, and change no others?"
    )
    minutes = 25
    needs = frozenset({"corpora"})
    shard = 1
    declared: ClassVar = {
        "own_passed/*": percent("a category switched off: its own prompts that pass, *"),
        "others_unchanged/*": percent("a category switched off: other verdicts unchanged, *"),
    }

    def items(self) -> Sequence[tuple[str, str]]:
        """(category, way); the first is the policy as it is."""
        policy = load_policy(POLICY)
        names = [name for name in policy.categories if acts(name, policy)][: self.options.of(99)]
        return [("", ""), *((name, way) for name in names for way in WAYS)]

    async def measure(self, items: Sequence[tuple[str, str]]) -> list[Row]:
        return [await self._row(*item) for item in items]

    async def _row(self, off: str, way: str) -> Row:
        policy = without(self._policy, off, way)
        stage = self._models.llm(policy)

        async def action(request: GuardRequest) -> str:
            tables = await stage.score([request])
            return decide(tables, policy, request.operation, loosen=False).action

        return {"actions": await each(action, [request for _, request in self._asked()])}

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        owners, before = [owner for owner, _ in self._asked()], rows[0]["actions"]
        own: dict[str, list[bool]] = {way: [] for way in WAYS}
        others: dict[str, list[bool]] = {way: [] for way in WAYS}
        for (off, way), row in zip(self.items()[1:], rows[1:], strict=True):
            for owner, old, new in zip(owners, before, row["actions"], strict=True):
                if owner == off:
                    own[way].append(new == "allow")
                else:
                    others[way].append(new == old)
        found = {f"own_passed/{way}": share(hits) for way, hits in own.items()}
        return found | {f"others_unchanged/{way}": share(hits) for way, hits in others.items()}

    def _asked(self) -> list[tuple[str, GuardRequest]]:
        """(category, request): harmful ones of each, then harmless ones of none."""
        assert self.options.corpora is not None
        written = twins(484)
        found: list[tuple[str, GuardRequest]] = []
        for name in dict.fromkeys(twin.category for twin in written if twin.category):
            own = [twin.harmful for twin in written if twin.category == name]
            found += [(name, request) for request in own[: self.options.of(OWN)]]
        others = [twin.harmless for twin in written[::2]][: self.options.of(999)]
        others += users(self.options.corpora, self.options.of(OTHERS))
        return [*found, *(("", request) for request in others)]


def without(policy: Policy, off: str, way: str) -> Policy:
    """The policy with one category switched off; as it is where none is named."""
    if not off:
        return policy
    left = {name: category for name, category in policy.categories.items() if name != off}
    if way == "allowed":
        quiet = {"action": "allow", "rewrite": None}
        silenced = policy.categories[off].model_copy(update=quiet)
        left = policy.categories | {off: silenced}
    return policy.model_copy(update={"categories": left})


MEASUREMENT = SwitchedOff
