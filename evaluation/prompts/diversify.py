"""How even the draws of the rewriter's `diversify` are, and what it leaves alone.

The cases (diversify.yaml) were written before the rules. Each word of `entropy` is drawn 20 times:
as 5 requests of 4 pictures, as one of 20, and as 20 of one. Entropy is that of one word's draws
over log(number of choices that the policy gives), averaged over the words; without diversify no
prompt says anything, so that its entropy is 0.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from deployments.contracts import Change
from deployments.paths import ROOT
from deployments.policy import Diversity, load_policy
from deployments.rewriter.diversify.diversifier import Diversifier, tone_words
from evaluation.common.files import tables
from evaluation.common.intervals import Estimate, mean, share
from evaluation.common.measurement import Declared, Measurement, Row, percent

POLICY = ROOT / "configs" / "policies" / "default.yaml"
WRITTEN = "diversify.yaml"
DRAWS = 20
WAYS = {"5 x n=4": 4, "1 x n=20": 20, "20 x n=1": 1}
"""Pictures per request; the seeds of a word's requests are consecutive."""


@dataclass(frozen=True)
class Drawn:
    """What one changed prompt says of a person."""

    group: str | None
    gender: str | None
    skin_tone: str | None


def draw(diversifier: Diversifier, diversity: Diversity, word: str, n: int) -> list[Drawn]:
    """`DRAWS` changed prompts for a word, `n` in a request, with what they say of the person."""
    plain = f"image of {'an' if word[0] in 'aeiou' else 'a'} {word}"
    drawn = []
    for seed in range(DRAWS // n):
        for prompt, _ in diversifier.diversify(plain, n, seed):
            added = prompt.removeprefix(plain)
            gender = _said(added, diversity.genders)
            tones = [] if gender else [tone_words(tone) for tone in diversity.skin_tones]
            group = _said(added, diversity.groups) if gender else None
            drawn.append(Drawn(group, gender, _said(added, tones)))
    return drawn


def _said(added: str, choices: Iterable[str]) -> str | None:
    """The longest choice that stands in the added words ("south asian", not "asian")."""
    padded = f" {added.replace(',', ' ')} "
    return max((c for c in choices if f" {c} " in padded), key=len, default=None)


def entropy(values: Iterable[str | None], choices: int) -> float:
    """In [0, 1]: 1 where all choices are equally often drawn; None is a value of its own."""
    counts = Counter(values)
    total = sum(counts.values())
    bits = -sum(n / total * math.log(n / total) for n in counts.values())
    return abs(bits) / math.log(choices)


def spread(drawn: Sequence[Drawn], diversity: Diversity) -> dict[str, float]:
    """Normalised entropies of one word's draws; a role is given skin tones or a group."""
    if any(one.skin_tone for one in drawn):
        tones = (one.skin_tone for one in drawn)
        return {"skin_tone": entropy(tones, len(diversity.skin_tones))}
    return {
        "group": entropy((one.group for one in drawn), len(diversity.groups)),
        "gender": entropy((one.gender for one in drawn), len(diversity.genders)),
    }


def form(change: Change) -> str:
    """What was given: person, group, tone, each or mixed, as in the cases."""
    added = change.after
    if "different skin tones" in added:
        return "mixed"
    if "skin tone" in added:
        return "tone"
    if " and " in added:
        return "each"
    return "person" if added.startswith(f"{change.before}, ") else "group"


def outcomes(diversifier: Diversifier, prompt: str) -> list[tuple[str, str]]:
    """(noun, what it was given) for each described noun; articles are left out."""
    (_, changes), *_ = diversifier.diversify(prompt, 1, 0)
    return [(c.before.removeprefix("a ").removeprefix("an "), form(c)) for c in changes]


class Diversify(Measurement):
    """Entropy of the draws, and prompts that must stay as they are."""

    name = "diversify"
    question = "Are people whom nobody described drawn evenly, and described people left alone?"
    minutes = 1
    shard = 100
    declared: ClassVar = {
        "group": Declared("entropy of the group over uniform", goal="≥ 0.95"),
        "gender": Declared("entropy of the gender over uniform", goal="≥ 0.95"),
        "skin_tone": Declared("entropy of the skin tone of negative roles over uniform"),
        "described": percent("prompts that say who is shown, left alone"),
        "empty": percent("scenes without people, left alone"),
        "several": percent("prompts with several people, right"),
    }

    def items(self) -> Sequence[tuple[str, Any]]:
        cases = tables(WRITTEN)
        words = [word for kind in cases["entropy"].values() for word in kind]
        most, parts = self.options.of(1000), ("described", "empty", "several")
        found = [("word", word) for word in words[:most]]
        return found + [(part, case) for part in parts for case in cases[part][:most]]

    async def start(self) -> None:
        policy = load_policy(POLICY)
        diversity = policy.manipulations.diversify
        assert diversity is not None
        self._diversity = diversity
        self._diversifier = Diversifier(diversity, policy.reasons.changes)

    async def measure(self, items: Sequence[tuple[str, Any]]) -> list[Row]:
        return [self._row(part, case) for part, case in items]

    def _row(self, part: str, case: Any) -> Row:
        if part == "word":
            drawn = {w: draw(self._diversifier, self._diversity, case, n) for w, n in WAYS.items()}
            return {way: spread(of, self._diversity) for way, of in drawn.items()}
        prompt = case["prompt"] if part == "several" else case
        given = list(case["given"].items()) if part == "several" else []
        ((changed, _),) = self._diversifier.diversify(prompt, 1, 0)
        return {"right": outcomes(self._diversifier, prompt) == given, "changed": changed}

    def estimates(self, rows: Sequence[Row]) -> dict[str, Estimate]:
        both = list(zip(self.items(), rows, strict=True))
        words = [row for (part, _), row in both if part == "word"]
        found = {}
        for value in ("group", "gender", "skin_tone"):
            ways = [row[way][value] for row in words for way in WAYS if value in row[way]]
            found[value] = mean(ways) if ways else Estimate(0.0, n=0)
        for name in ("described", "empty", "several"):
            found[name] = share(row["right"] for (part, _), row in both if part == name)
        return found

    def finish(self, rows: Sequence[Row]) -> None:
        for (part, case), row in zip(self.items(), rows, strict=True):
            if not row.get("right", True):
                print(f"not as expected ({part}): {case!r} -> {row['changed']!r}")


MEASUREMENT = Diversify
