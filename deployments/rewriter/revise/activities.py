"""The open activities of the tables, as a tree in which a prompt's words are looked up.

An activity is a line of words. `a/b` is either word, `(a/b)` either or none, `$name` any phrase of
that heading in `sets.txt`. ONE stands for a person ("him", "his neighbour"), ONE'S for a
possessive, ONESELF for a reflexive, ANY for any word. Under the heading `verbs` the first word is a
verb and stands for all its forms. Articles and the other words of `dropped` are in no activity:
they are taken out of prompts first.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from deployments.rewriter.diversify.lexicon import plural
from deployments.rewriter.tables import by_key, read

TABLES = Path(__file__).parent / "tables"
KINDS = (
    "fun", "closeness", "conflict", "mischief", "wildness", "secrecy", "places", "anticipation",
    "action",
)  # fmt: skip
"""A phrase of two kinds counts as the later one."""
FILLER, PERSON = "filler", "person"
SLOTS = ("ONE", "ONE'S", "ONESELF")
CHOICE = re.compile(r"\(([^()]*)\)")


@dataclass
class Node:
    """A place in a tree of phrases; `kind` if a phrase ends here."""

    kind: str = ""
    further: dict[str, "Node"] = field(default_factory=dict)

    def add(self, words: Sequence[str], kind: str) -> None:
        """Adds one phrase below this node."""
        node = self
        for word in words:
            node = node.further.setdefault(word, Node())
        node.kind = kind


@dataclass(frozen=True)
class Activities:
    """The tables, ready to be looked up.

    Attributes:
        phrases: activities by kind, and the words of FILLER and PERSON.
        dropped: phrases that are taken out of a prompt first.
        fits: word -> the slots that it fills.
        not_adverbs: words that end in "ly" and are no adverbs.
    """

    phrases: Node
    dropped: Node
    fits: Mapping[str, frozenset[str]]
    not_adverbs: frozenset[str]


@cache
def activities() -> Activities:
    """The tables of this folder, read once."""
    words = read(TABLES / "words.txt")
    dropped = Node()
    for phrase in words["dropped"]:
        dropped.add(phrase.split(), "dropped")
    return Activities(
        phrases=_phrases(words),
        dropped=dropped,
        fits=_fits(words),
        not_adverbs=frozenset(words["not_adverbs"]),
    )


def _phrases(words: Mapping[str, Sequence[str]]) -> Node:
    root = Node()
    for phrase in itertools.chain.from_iterable(read(TABLES / "filler.txt").values()):
        root.add(phrase.split(), FILLER)
    for phrase in words["persons"]:
        root.add(phrase.split(), PERSON)
    dropped = frozenset(words["dropped"])
    for kind in KINDS:
        for activity in _activities_of(kind, words):
            root.add([word for word in activity if word not in dropped], kind)
    return root


def _activities_of(kind: str, words: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """All phrases of one kind, verbs in all their forms."""
    sets, irregular = read(TABLES / "sets.txt"), by_key(words["irregular"])
    table = read(TABLES / "activities" / f"{kind}.txt")
    for line in table.get("phrases", ()):
        yield from _expand(line, sets)
    for line in table.get("verbs", ()):
        for verb, *rest in _expand(line, sets):
            is_noun = not rest and verb in words["also_nouns"]
            for form in _forms(verb, irregular, is_noun):
                yield [form, *rest]


def _fits(words: Mapping[str, Sequence[str]]) -> dict[str, frozenset[str]]:
    fits: dict[str, set[str]] = {}
    fillers = ((*words["objects"], *words["persons"]), words["possessives"], words["reflexives"])
    for slot, phrases in zip(SLOTS, fillers, strict=True):
        for phrase in phrases:
            fits.setdefault(phrase, set()).add(slot)
    return {phrase: frozenset(slots) for phrase, slots in fits.items()}


def _expand(line: str, sets: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """All phrases of a line: "get (so) wild/crazy" is "get wild", "get so wild" and two more."""
    parts: list[list[str]] = []
    for piece in re.split(r"(\([^()]*\))|\s", line):
        if not piece:
            continue
        if optional := CHOICE.fullmatch(piece):
            parts.append(["", *optional[1].split("/")])
        elif piece.startswith("$"):
            parts.append(list(sets[piece[1:]]))
        else:
            parts.append(piece.split("/"))
    for choice in itertools.product(*parts):
        yield " ".join(choice).split()


def _forms(verb: str, irregular: Mapping[str, Sequence[str]], is_noun: bool) -> list[str]:
    """A verb and its other forms; without those that a noun of the same spelling has."""
    if verb in irregular:
        forms = [verb, *irregular[verb]]
        return [form for form in forms if not (is_noun and form in (verb, plural(verb)))]
    stem = verb.removesuffix("e")
    past = re.sub(r"(?<=[^aeou])y$", "i", stem) + "ed"
    return [f"{stem}ing", past, *(() if is_noun else (verb, plural(verb)))]
