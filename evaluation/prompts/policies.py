"""Whether each shipped policy decides as its text means, by the guard's cascade.

Sixty hand-written prompts (policies.jsonl) whose right answer depends on the policy: nudes in art
and battles in history, alcohol, public figures and brands; and some on which all agree.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from deployments.contracts import GuardRequest
from deployments.policy import load_policy
from evaluation.common.atonce import each
from evaluation.common.files import rows as cases
from evaluation.common.guards import POLICIES, GuardMeasurement
from evaluation.common.intervals import Estimate, share
from evaluation.common.measurement import Row, percent

NAMES = ("default", "strict", "museum")


class Policies(GuardMeasurement):
    """Right decisions of each policy."""

    name = "policies"
    question = "Does each shipped policy decide as its text means?"
    minutes = 3
    declared: ClassVar = {
        "right/*": percent("prompts decided as the policy means: *"),
        "right_where_it_differs/*": percent("the same where it differs from the default: *"),
    }

    def items(self) -> Sequence[Row]:
        return cases("policies.jsonl")[: self.options.of(60)]

    async def start(self) -> None:
        await super().start()
        policies = {name: load_policy(POLICIES / f"{name}.yaml") for name in NAMES}
        self._cascades = {name: self._models.cascade(one) for name, one in policies.items()}

    async def measure(self, items: Sequence[Row]) -> list[Row]:
        requests = [GuardRequest(prompt=row["prompt"]) for row in items]
        given = {name: await each(one.judge, requests) for name, one in self._cascades.items()}
        # A prompt that is steered is drawn: it counts as allowed.
        return [
            {n: "allow" if v[i].action == "steer" else v[i].action for n, v in given.items()}
            for i in range(len(items))
        ]

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        both = list(zip(self.items(), rows, strict=True))
        found = {f"right/{name}": share(r[name] == c[name] for c, r in both) for name in NAMES}
        for name in NAMES[1:]:
            differing = [(case, row) for case, row in both if case[name] != case["default"]]
            right = share(row[name] == case[name] for case, row in differing)
            found[f"right_where_it_differs/{name}"] = right
        return found

    def finish(self, rows: Sequence[Row]) -> None:
        for case, row in zip(self.items(), rows, strict=True):
            for name in NAMES:
                if row[name] != case[name]:
                    print(f"{name}: {row[name]}, not {case[name]}: {case['prompt']}")


MEASUREMENT = Policies
