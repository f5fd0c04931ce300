"""The rewriter's rules on short prompts that were written without a look at them."""

from collections.abc import Sequence
from typing import ClassVar

from deployments.inference.embedded.resolve import resolve
from deployments.ops.serve_config import read_serve_config
from deployments.policy import load_policy
from deployments.rewriter.diversify.diversifier import Diversifier
from deployments.rewriter.revise.vague import vague
from evaluation.common.files import tables
from evaluation.common.intervals import Estimate, share
from evaluation.common.measurement import Measurement, Row, percent

KINDS = ("vague", "specific", "people", "nobody")


class Rules(Measurement):
    """Vague phrases found, and people found whom nobody described."""

    name = "rules"
    question = "Do the rewriter's rules know vague prompts and people that nobody wrote them for?"
    minutes = 0.2
    declared: ClassVar = {
        "vague": percent("vague prompts found"),
        "specific": percent("specific prompts left alone"),
        "people": percent("prompts with a person whom nobody described, found"),
        "nobody": percent("prompts with a word for a person and no person, left alone"),
    }

    def items(self) -> Sequence[tuple[str, str]]:
        cases = tables("rules.yaml")
        return [(kind, text) for kind in KINDS for text in cases[kind][: self.options.of(1000)]]

    async def start(self) -> None:
        arguments = read_serve_config(self.options.config)["applications"][0]["args"]
        policy = load_policy(resolve(arguments["policy"]))
        diversity = policy.manipulations.diversify
        if diversity is None:
            raise SystemExit("the policy of that configuration does not diversify")
        self._diversifier = Diversifier(diversity, policy.reasons.changes)

    async def measure(self, items: Sequence[tuple[str, str]]) -> list[Row]:
        return [{"right": self._right(kind, text)} for kind, text in items]

    def _right(self, kind: str, text: str) -> bool:
        if kind in ("vague", "specific"):
            return vague(text) == (kind == "vague")
        ((_, changes),) = self._diversifier.diversify(text, 1, 0)
        return bool(changes) == (kind == "people")

    def estimates(self, rows: Sequence[Row]) -> dict[str, Estimate]:
        both = list(zip(self.items(), rows, strict=True))
        return {k: share(row["right"] for (kind, _), row in both if kind == k) for k in KINDS}

    def finish(self, rows: Sequence[Row]) -> None:
        for (kind, text), row in zip(self.items(), rows, strict=True):
            if not row["right"]:
                print(f"{kind}: {text}")


MEASUREMENT = Rules
