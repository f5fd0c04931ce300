"""The tables of words about people, ready to be looked up: known phrases, and nouns of people."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from deployments.rewriter.tables import by_key, read

TABLES = Path(__file__).parent / "tables"
THINGS_BESIDE = "things_beside"
NOUNS = (
    "occupations", "roles", "creators", "women", "men", "negative", "offices", "collectives",
    "pairs",
)  # fmt: skip
"""Headings whose phrases are nouns of people; their phrases have the label `noun` too."""


@dataclass(frozen=True)
class Noun:
    """What the tables say of a person's noun; `lemma` is its singular."""

    lemma: str
    labels: frozenset[str]
    plural: bool


@cache
def tables() -> dict[str, frozenset[str]]:
    """Heading -> phrases, read once."""
    return {
        heading: frozenset(phrases)
        for heading, phrases in read(TABLES).items()
        if heading != THINGS_BESIDE
    }


@cache
def things_beside() -> dict[str, frozenset[str]]:
    """Noun -> words that make it a thing: a knight in a prompt that speaks of chess."""
    return {noun: frozenset(words) for noun, words in by_key(read(TABLES)[THINGS_BESIDE]).items()}


def plural(noun: str) -> str:
    """The regular English plural of a noun; of "chief of staff" the first word's."""
    head, of, rest = noun.partition(" of ")
    if of:
        return plural(head) + of + rest
    if noun.endswith("man") and not noun.endswith("human"):
        return noun[:-3] + "men"
    if re.search(r"(?:s|x|z|ch|sh)$", noun):
        return noun + "es"
    if re.search(r"[^aeiou]y$", noun):
        return noun[:-1] + "ies"
    return noun + "s"


class Lexicon:
    """Phrases and what is known of them.

    Attributes:
        labels: phrase -> the headings it stands under.
        nouns: phrase -> the noun of a person that it is, singular or plural.
        beginnings: first words of longer phrases, and whole phrases that longer ones begin with.
    """

    def __init__(self, headings: dict[str, frozenset[str]]) -> None:
        """`headings` is as `tables` gives it."""
        labels: dict[str, set[str]] = {}
        self.nouns: dict[str, Noun] = {}
        for name, phrases in headings.items():
            if name in NOUNS:
                self._add_nouns(name, phrases)
            else:
                for phrase in phrases:
                    labels.setdefault(phrase, set()).add(name)
        for phrase in self.nouns:
            labels.setdefault(phrase, set()).add("noun")
        self.labels = {phrase: frozenset(names) for phrase, names in labels.items()}
        self.beginnings = {
            " ".join(phrase.split()[:size])
            for phrase in labels
            for size in range(1, len(phrase.split()))
        }

    def _add_nouns(self, table: str, phrases: Iterable[str]) -> None:
        for phrase in phrases:
            one, _, many = phrase.partition("/")
            for form, is_plural in ((one, False), (many or plural(one), True)):
                known = self.nouns.get(form)
                labels = (known.labels if known else frozenset()) | {table}
                self.nouns[form] = Noun(one, labels, is_plural)


@cache
def lexicon() -> Lexicon:
    """The lexicon of these tables, made once."""
    return Lexicon(tables())
