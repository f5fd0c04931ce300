"""The policy's word lists: terms that decide alone, and terms that call for the model.

Terms are looked up as whole words, so `skill` does not contain `kill`, and in disguise. A term does
not count where it lies whole in a phrase that is harmless under every policy (`moby dick`), or
shares a word with an exception of its category (`suicide prevention`). The time is linear in the
text whatever the lists hold.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deployments.guard.words.cues import SEXUAL
from deployments.guard.words.normalise import normalise
from deployments.guard.words.spelling import Found, Spelling
from deployments.policy import Policy

WORD = re.compile(r"[^\W_]+")
LATIN = re.compile(r"[a-z]+(?: [a-z]+)*")
SHORTEST = 3
"""Letters that a term needs to be sought in disguise."""


@dataclass(frozen=True)
class Hits:
    """The categories whose terms were found, in the policy's order."""

    blocked: tuple[str, ...]
    suspect: tuple[str, ...]


class Blocklist:
    """Finds the policy's `block_terms` and `terms` as whole words, in any case or disguise."""

    def __init__(self, policy: Policy) -> None:
        self._categories = tuple(policy.categories)
        self._blocking = _index((name, c.block_terms) for name, c in policy.categories.items())
        self._suspect = _index((name, c.terms) for name, c in policy.categories.items())
        self._exceptions = _index((name, c.exceptions) for name, c in policy.categories.items())
        terms = {*self._blocking, *self._suspect}
        self._listed = terms | self._exceptions.keys()
        self._lengths = sorted({term.count(" ") + 1 for term in self._listed})
        self._spelling = Spelling(
            term for term in terms if len(term) >= SHORTEST and LATIN.fullmatch(term)
        )

    def find(self, texts: Iterable[str]) -> Hits:
        """The categories that any of the texts (as from `readings`) hits."""
        blocked, suspect = set[str](), set[str]()
        for text in texts:
            lower = text.lower()
            runs = list(self._runs(lower))
            excepted, reach = self._excepted(lower, runs), SEXUAL.harmless_reach(lower)
            for hit in (*runs, *self._spelling.find(lower)):
                if hit.end <= reach[hit.start]:
                    continue
                named = self._blocking.get(hit.word, set()) | self._suspect.get(hit.word, set())
                excused = {
                    c for c in named & excepted.keys() if 1 in excepted[c][hit.start : hit.end]
                }
                blocked |= self._blocking.get(hit.word, set()) - excused
                suspect |= self._suspect.get(hit.word, set()) - excused
        return Hits(self._sorted(blocked), self._sorted(suspect))

    def _excepted(self, text: str, runs: Iterable[Found]) -> dict[str, bytearray]:
        """Per category, a 1 for each character that is part of one of its exceptions."""
        excepted: dict[str, bytearray] = {}
        for run in runs:
            for category in self._exceptions.get(run.word, ()):
                marks = excepted.setdefault(category, bytearray(len(text)))
                marks[run.start : run.end] = b"\x01" * (run.end - run.start)
        return excepted

    def _runs(self, text: str) -> Iterator[Found]:
        """The listed terms and exceptions that stand in a lower-case text as whole words."""
        places = list(WORD.finditer(text))
        words = [place[0] for place in places]
        for length in self._lengths:
            for at in range(len(words) - length + 1):
                term = " ".join(words[at : at + length])
                if term in self._listed:
                    yield Found(term, places[at].start(), places[at + length - 1].end())

    def _sorted(self, found: set[str]) -> tuple[str, ...]:
        return tuple(name for name in self._categories if name in found)


def _index(lists: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, set[str]]:
    index: dict[str, set[str]] = {}
    for category, terms in lists:
        for term in terms:
            words = WORD.findall(normalise(term).lower())
            index.setdefault(" ".join(words), set()).add(category)
    return index
