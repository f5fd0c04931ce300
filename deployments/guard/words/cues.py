"""The table of cues, compiled: words that point at sex or at minors, and their harmless phrases.

`tables/cues.yaml` holds one entry a line and explains its notation. The rule on minors reads all of
it; the word lists of every policy read the harmless phrases.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import yaml

TABLE = Path(__file__).parent / "tables" / "cues.yaml"
MOST = 4
"""Entries of an optional group that may stand in a row."""
GAP = r"(?:\s+|-)"
OPTIONAL, GROUP = re.compile(r"\\\((\w+)\\\)"), re.compile(r"\\\{(\w+)\\\}")
"""`(s)` and `{group}` in an escaped word."""


class Rows:
    """Finds the entries of one list of the table in lower-case text, as whole words."""

    def __init__(self, rows: Iterable[str], groups: Mapping[str, Sequence[str]]) -> None:
        # Longer rows stand first, so that the longest of those that begin at a place is found.
        longest = sorted(rows, key=len, reverse=True)
        self._any = "|".join(_pattern(row, groups) for row in longest)
        self._here = re.compile(rf"\b(?=((?:{self._any})\b))")
        self._whole = re.compile(self._any)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Where rows start and end in the text, in order of their starts; they may overlap."""
        return (found.span(1) for found in self._here.finditer(text))

    def are(self, text: str) -> bool:
        """Whether the whole text is one row."""
        return self._whole.fullmatch(text) is not None


@dataclass(frozen=True)
class Cues:
    """Cues of one kind, and the phrases in which the same words are harmless."""

    cues: Rows
    harmless: Rows

    def stand_in(self, text: str) -> bool:
        """Whether a cue stands in the text that no harmless phrase holds whole."""
        if not (found := list(self.cues.find(text))):
            return False
        reach = self.harmless_reach(text)
        return any(end > reach[start] for start, end in found)

    def harmless_reach(self, text: str) -> list[int]:
        """For each position, how far a harmless phrase reaches that starts there or before.

        What stands from `start` to `end` lies whole in such a phrase if `end <= reach[start]`.
        """
        ends = [0] * (len(text) + 1)
        for start, end in self.harmless.find(text):
            if text[start - 1 : start] != "-" and text[end : end + 1] != "-":
                ends[start] = end  # within a longer compound it is another word
        return list(accumulate(ends, max))


def _pattern(row: str, groups: Mapping[str, Sequence[str]]) -> str:
    """The regular expression for a row. Only `*` repeats without a bound, within one word."""
    found = ""
    words = row.split(" ")
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word.startswith("["):
            found += f"(?:{_any_of(groups[word[1:-1]])}{GAP}){{0,{MOST}}}"
            continue
        found += GROUP.sub(lambda slot: _any_of(groups[slot[1]]), _word(word))
        if following:
            found += GAP if {"{", "["} & {*word, *following} else f"{GAP}?"
    return found


def _any_of(entries: Iterable[str]) -> str:
    return f"(?:{'|'.join(_pattern(entry, {}) for entry in entries)})"


def _word(word: str) -> str:
    plain = re.escape(word).replace(r"\*", r"\w*").replace(r"\#", r"\d+").replace("'", "['’]?")
    return OPTIONAL.sub(r"(?:\1)?", plain)


def _load() -> tuple[Cues, Cues, Rows, Rows]:
    table = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    groups = table["groups"]

    def rows(kind: str, name: str) -> Rows:
        return Rows(table[kind][name], groups)

    return (
        Cues(rows("sexual", "cues"), rows("sexual", "harmless")),
        Cues(rows("minor", "cues"), rows("minor", "harmless")),
        rows("avoided", "clothes"),
        rows("avoided", "adults"),
    )


SEXUAL, MINOR, AVOIDS_CLOTHES, AVOIDS_ADULTS = _load()
