"""How even the draws of the rewriter's `diversify` are, and what it leaves alone.

    python -m evaluation.prompts.diversify --policy configs/policies/default.yaml

The cases (diversify_cases.yaml) were written before the rules. Each word of `entropy` is drawn
20 times: as 5 requests of 4 pictures, as one of 20, and as 20 of one. Entropy is that of one
word's draws over log(number of choices that the policy gives), averaged over the words; without
diversify no prompt says anything, so that its entropy is 0. `--table` prints what each case of
`several` became; the last line is JSON.
"""

import argparse
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from deployments.contracts import Change
from deployments.policy import Diversity
from deployments.rewriter.diversify.diversifier import Diversifier, tone_words
from evaluation.common.files import CASES

WRITTEN = CASES / "diversify.yaml"
DRAWS = 20
WAYS = {"5 x n=4": 4, "1 x n=20": 20, "20 x n=1": 1}
"""Pictures per request; the seeds of a word's requests are consecutive."""


@dataclass(frozen=True)
class Drawn:
    """One prompt of the entropy part: also what a judge of its picture would be asked."""

    kind: str
    word: str
    prompt: str
    group: str | None
    gender: str | None
    skin_tone: str | None


def draw(
    diversity: Diversity, cases: Mapping[str, Sequence[str]], per_request: int, changed: bool = True
) -> list[Drawn]:
    """`DRAWS` prompts for each word, changed or as they are, with what they say of the person."""
    diversifier = Diversifier(diversity)
    drawn = []
    for kind, words in cases.items():
        for word in words:
            article = "an" if word[0] in "aeiou" else "a"
            plain = f"image of {article} {word}"
            for seed in range(DRAWS // per_request):
                results = diversifier.diversify(plain, per_request, seed)
                for prompt in [one if changed else plain for one, _ in results]:
                    added = prompt.removeprefix(plain)
                    gender = _said(added, diversity.genders)
                    tones = [] if gender else [tone_words(tone) for tone in diversity.skin_tones]
                    group = _said(added, diversity.groups) if gender else None
                    tone = _said(added, tones)
                    drawn.append(Drawn(kind, word, prompt, group, gender, tone))
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
    """Mean normalised entropy per word; roles that are given skin tones count apart."""
    words: dict[tuple[str, str], list[Drawn]] = {}
    for one in drawn:
        words.setdefault((one.kind, one.word), []).append(one)
    toned = [w for w in words.values() if any(one.skin_tone for one in w)]
    others = [w for w in words.values() if not any(one.skin_tone for one in w)]

    def mean(of: list[list[Drawn]], value: str, choices: int) -> float:
        entropies = [entropy((getattr(one, value) for one in word), choices) for word in of]
        return round(sum(entropies) / len(entropies), 4) if entropies else 0.0

    return {
        "group": mean(others, "group", len(diversity.groups)),
        "gender": mean(others, "gender", len(diversity.genders)),
        "skin_tone_of_negative": mean(toned, "skin_tone", len(diversity.skin_tones)),
        "words_with_group": len(others),
        "words_with_skin_tone": len(toned),
    }


def form(change: Change) -> str:
    """What was given: person, group, tone, each or mixed, as in the cases."""
    added = change.after
    if "different skin tones" in added:
        return "mixed"
    if change.why.startswith("no group"):
        return "tone"
    if " and " in added:
        return "each"
    return "person" if added.startswith(f"{change.before}, ") else "group"


def outcomes(diversifier: Diversifier, prompt: str) -> list[tuple[str, str]]:
    """(noun, what it was given) for each described noun; articles are left out."""
    (_, changes), *_ = diversifier.diversify(prompt, 1, 0)
    return [(c.before.removeprefix("a ").removeprefix("an "), form(c)) for c in changes]


def load_diversity(path: Path) -> Diversity:
    """The `diversify` block of a policy file, or a file that is such a block."""
    document: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    block = document.get("manipulations", document).get("diversify", document)
    return Diversity.model_validate(block)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--policy", type=Path, default=Path("configs/policies/default.yaml"))
    parser.add_argument("--cases", type=Path, default=WRITTEN)
    parser.add_argument("--table", action="store_true", help="print each case of `several`")
    args = parser.parse_args()

    diversity = load_diversity(args.policy)
    cases = yaml.safe_load(args.cases.read_text(encoding="utf-8"))
    diversifier = Diversifier(diversity)
    for part in ("described", "empty"):
        for prompt in cases[part]:
            for changed, changes in diversifier.diversify(prompt, 1, 0):
                if changes:
                    print(f"changed ({part}): {prompt!r} -> {changed!r}")
    if args.table:
        print("| prompt | becomes |\n| --- | --- |")
    right = 0
    for case in cases["several"]:
        found = outcomes(diversifier, case["prompt"])
        right += (as_expected := found == list(case["given"].items()))
        ((changed, _),) = diversifier.diversify(case["prompt"], 1, 0)
        if args.table:
            print(f"| {case['prompt']} | {changed} |")
        if not as_expected:
            print(f"not as expected: {case['prompt']!r} -> {changed!r}, {case['given']}")
    result = {
        "draws": DRAWS,
        "entropy": {
            way: spread(draw(diversity, cases["entropy"], n), diversity) for way, n in WAYS.items()
        },
        "entropy_without": spread(draw(diversity, cases["entropy"], 4, changed=False), diversity),
        "described": len(cases["described"]),
        "described_changed": _changed(diversifier, cases["described"]),
        "empty": len(cases["empty"]),
        "empty_changed": _changed(diversifier, cases["empty"]),
        "several": len(cases["several"]),
        "several_right": right,
    }
    print(json.dumps(result))


def _changed(diversifier: Diversifier, prompts: Sequence[str]) -> int:
    return sum(bool(diversifier.diversify(prompt, 1, 0)[0][1]) for prompt in prompts)


if __name__ == "__main__":
    main()
