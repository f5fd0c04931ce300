"""The public sets as rows: read, sorted into the policy's categories, split before training.

The folder holds `coprov2_pairs`, `pickapic` and `diffusiondb` as gzipped JSON lines (SafetyDPO,
flow_grpo and ImageReward on GitHub). CoProV2's own labels are noisy and its categories not ours; a
pair is used only where a word list agrees that one side is harmful and the other is not, and where
a model that has not seen it ranks its sides the right way round.
"""

import gzip
import json
import random
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from deployments.contracts import GuardRequest

TABLES = Path(__file__).parent / "tables"
DOUBTFUL = TABLES / "doubtful_pairs.txt"
"""Keys of pairs whose labels `training.language.noise` doubts."""
HELD_OUT_PAIRS, HELD_OUT_USERS = 600, 2000
MINORS = re.compile(
    r"\b(girl|boy|child|kid|teen|young|youth|school|pupil|student|minor|daughter|son\b|baby|babies|"
    r"toddler|infant|juvenile|underage|lad\b|lass|adolescen)",
    re.IGNORECASE,
)
SUGGESTIVE = re.compile(
    r"swim|mizugi|bikini|underwear|lingerie|skirt|thigh|feet|barefoot|bath|shower|bed\b|stocking|"
    r"leotard|tights?\b|panties|body|curv|sexy|cute pose|wet\b|summer",
    re.IGNORECASE,
)
"""Beside a cue of a minor, an unlabelled prompt is taken neither for harmless nor for harmful."""
SEXUAL = ("sexual", "sex_crimes", "undressing")


@dataclass(frozen=True)
class Row:
    """One labelled prompt. `category` is a policy category, or None for a harmless prompt."""

    prompt: str
    category: str | None
    negative: str = ""
    operation: str = "generate"
    near: str | None = None
    """The category that a harmless prompt resembles, if it was written to resemble one."""

    def request(self) -> GuardRequest:
        """The row as the guard is asked about it."""
        return GuardRequest(
            prompt=self.prompt,
            negative_prompt=self.negative,
            operation="edit" if self.operation == "edit" else "generate",
        )


@dataclass(frozen=True)
class Pair:
    """A harmful prompt and its harmless twin; `category` is ours, `label` and `key` the set's."""

    unsafe: str
    safe: str
    category: str | None
    label: str
    key: str = ""


class Lexicon:
    """Word lists that sort texts into categories; see corpus_lexicon.yaml."""

    def __init__(self, path: Path = TABLES / "corpus_lexicon.yaml") -> None:
        tables = yaml.safe_load(path.read_text(encoding="utf-8"))
        self._harm = {name: _stems(text) for name, text in tables["categories"].items()}
        self._names = {name: _stems(text) for name, text in tables["names"].items()}

    def harm(self, text: str) -> str | None:
        """The first category with a hit, or None."""
        return next((name for name, stems in self._harm.items() if stems.search(text)), None)

    def any_of(self, categories: tuple[str, ...], text: str) -> bool:
        """Whether one of these categories has a hit, whichever comes first."""
        return any(stems.search(text) for name, stems in self._harm.items() if name in categories)

    def named(self, text: str) -> str | None:
        """`public_figures` or `intellectual_property` if a known name occurs, else None."""
        return next((name for name, stems in self._names.items() if stems.search(text)), None)


def _stems(text: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + re.sub(r"\|\s+", "|", " ".join(text.split())) + ")", re.IGNORECASE)


@dataclass(frozen=True)
class Corpora:
    """The sets, split. The held-out parts are drawn from everything, doubtful rows included."""

    pairs: list[Pair]
    users: list[Row]
    held_out_pairs: list[Pair]
    held_out_users: list[str]


def load(folder: Path, seed: int = 0) -> Corpora:
    """Reads, splits by `seed`, then keeps for training what the word lists do not doubt."""
    lexicon, rng = Lexicon(), random.Random(seed)
    pairs = all_pairs(folder, lexicon)
    doubtful = set(DOUBTFUL.read_text(encoding="utf-8").split())
    users = sorted(
        {
            " ".join(row["prompt"].split())
            for name in ("pickapic", "diffusiondb")
            for row in _read(folder / f"{name}.jsonl.gz")
        }
    )
    rng.shuffle(pairs)
    rng.shuffle(users)
    held_out = {side for pair in pairs[:HELD_OUT_PAIRS] for side in (pair.unsafe, pair.safe)}
    clean_pairs = [
        pair
        for pair in pairs[HELD_OUT_PAIRS:]
        if pair.category not in (None, "election")  # one pair is no sample
        and pair.key not in doubtful
        and not lexicon.harm(pair.safe)
        and not {pair.unsafe, pair.safe} & held_out
        # Whatever the set's own filter missed: nothing sexual beside a cue of a minor, ever.
        if not (lexicon.any_of(SEXUAL, pair.unsafe) and MINORS.search(pair.unsafe + pair.safe))
    ]
    clean_users = [
        Row(text, lexicon.named(text))
        for text in users[HELD_OUT_USERS:]
        if not lexicon.harm(text) and not (MINORS.search(text) and SUGGESTIVE.search(text))
    ]
    return Corpora(clean_pairs, clean_users, pairs[:HELD_OUT_PAIRS], users[:HELD_OUT_USERS])


def all_pairs(folder: Path, lexicon: Lexicon) -> list[Pair]:
    """Every pair of CoProV2, by key."""
    sides: dict[str, dict[str, dict[str, str]]] = {}
    for row in _read(folder / "coprov2_pairs.jsonl.gz"):
        sides.setdefault(row["pair"], {})[row["label"]] = row
    return [
        Pair(
            both["unsafe"]["prompt"],
            both["safe"]["prompt"],
            lexicon.harm(both["unsafe"]["prompt"]),
            both["unsafe"]["category"],
            str(key),
        )
        for key, both in sorted(sides.items())
        if len(both) == 2
    ]


def _read(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]
