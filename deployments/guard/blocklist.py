"""The policy's word lists: terms that decide alone, and terms that call for the model.

Texts are looked up by their runs of words, as long as some term has words, so the time is linear in
the text whatever the lists hold, and `skill` does not contain `kill`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deployments.guard.normalise import normalise
from deployments.policy import Policy

WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True)
class Hits:
    """The categories whose terms were found, in the policy's order."""

    blocked: tuple[str, ...]
    suspect: tuple[str, ...]


class Blocklist:
    """Finds the policy's `block_terms` and `terms` as whole words, in any case or disguise."""

    def __init__(self, policy: Policy) -> None:
        self._order = list(policy.categories)
        self._blocking = _index((name, c.block_terms) for name, c in policy.categories.items())
        self._suspect = _index((name, c.terms) for name, c in policy.categories.items())
        self._lengths = sorted({len(term) for term in (*self._blocking, *self._suspect)})

    def find(self, texts: Iterable[str]) -> Hits:
        """The categories that any of the texts (as from `readings`) hits."""
        runs = {run for text in texts for run in self._runs(text)}
        return Hits(self._named(self._blocking, runs), self._named(self._suspect, runs))

    def _runs(self, text: str) -> Iterator[tuple[str, ...]]:
        words = _words(text)
        for length in self._lengths:
            yield from zip(*(words[start:] for start in range(length)), strict=False)

    def _named(
        self, index: dict[tuple[str, ...], set[str]], runs: set[tuple[str, ...]]
    ) -> tuple[str, ...]:
        found = {name for run in runs for name in index.get(run, ())}
        return tuple(name for name in self._order if name in found)


def _index(lists: Iterable[tuple[str, tuple[str, ...]]]) -> dict[tuple[str, ...], set[str]]:
    index: dict[tuple[str, ...], set[str]] = {}
    for category, terms in lists:
        for term in terms:
            index.setdefault(_words(normalise(term)), set()).add(category)
    return index


def _words(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(text.lower()))
