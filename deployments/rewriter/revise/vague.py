"""Finds prompts that leave open what their people do: "Show two people having fun".

A prompt is vague when it shows people, says only an open activity of them, and nothing else that
would make the picture definite. The tables of `vague.yaml` hold the open activities, by kind, and
the words that tell nothing: who, when, where, in which style. A word outside of them is enough
to be specific, unless it names the place of an activity that is open wherever it happens.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from deployments.rewriter.diversify.cast import Segmented, segmented
from deployments.rewriter.diversify.lexicon import plural, tables

TABLES = Path(__file__).parent / "tables" / "vague.yaml"
MAX_WORDS = 18
MAX_LETTERS = 200
"""Longer prompts are specific; so that no long text is read."""
MAX_SEGMENTS = 4
MAX_PLACE = 3
"""Unknown words behind "in" or "at" that may be the name of a place."""
MODIFIERS = 2
"""Unknown words before a person's noun that may describe the person."""
FILLER, PERSON, CHARGED = "filler", "person", "charged"
ANY, SLOTS = "ANY", ("ONE", "ONE'S", "ONESELF")
PLACED = frozenset(("in", "at", "on", "near", "inside", "outside", "behind", "under", "around"))
DESCRIBES = ("plain", "groups", "aged", "colours", "insulting", "looks", "female", "male")
"""Tables of `people.yaml` whose words describe people: "happy", "Brazilian"."""
CHOICE = re.compile(r"\(([^()]*)\)")


@dataclass
class _Node:
    """A place in the tree of known phrases; `kind` if one ends here."""

    kind: str = ""
    further: dict[str, "_Node"] = field(default_factory=dict)


@dataclass(frozen=True)
class _Tables:
    """`vague.yaml`, ready to be looked up. `classes` maps a word to the slots it may fill."""

    root: _Node
    dropped: _Node
    mild: frozenset[str]
    classes: Mapping[str, frozenset[str]]
    not_adverbs: frozenset[str]


@dataclass(frozen=True)
class _Words:
    """A prompt's words without those that are dropped; `people` as in `Segmented`."""

    words: Sequence[str]
    people: Mapping[int, int]
    several: bool
    at_work: bool


def vague(prompt: str) -> bool:
    """Whether `prompt` asks for people and leaves open what they do; never with children."""
    return bool(open_activity(prompt))


def open_activity(prompt: str) -> str:
    """The words by which `prompt` is vague, articles left out; empty if it is specific."""
    if len(prompt) > MAX_LETTERS:
        return ""
    text = segmented(prompt)
    if text.left_alone in ("children", "named"):
        return ""
    if not 0 < len(text.words) <= MAX_WORDS or text.segments > MAX_SEGMENTS:
        return ""
    return _open_activity(_without_dropped(text))


def _open_activity(text: _Words) -> str:
    known = _tables()
    found, kinds = [], set()
    people, others, place_known, place_left = False, 0, True, 0
    at = 0
    while at < len(text.words):
        stop, kind = _longest(text, at)
        if at in text.people and text.people[at] >= stop:
            stop, kind = text.people[at], PERSON
        elif stop == at + 1 and _modifies(text, at):
            # "A passionate woman" does nothing; what "a passionate couple" does is left open.
            kind = CHARGED if kind not in (FILLER, PERSON, "") else FILLER
        if kind == PERSON:
            others += at not in text.people
            people, place_left = True, 0
        elif kind == FILLER:
            place_left = MAX_PLACE if text.words[stop - 1] in PLACED else place_left
        elif kind:
            people |= any(at < first < stop for first in text.people)
            found.append(" ".join(text.words[at:stop]))
            kinds.add(kind)
            place_left = 0
        elif place_left:
            stop, place_left, place_known = at + 1, place_left - 1, False
        elif _modifies(text, at):
            stop = at + 1
        else:
            return ""
        at = stop
    if not people or (not place_known and kinds <= known.mild | {CHARGED}):
        return ""
    if kinds <= {"action", CHARGED} and text.at_work:
        return ""
    if kinds <= {"places", CHARGED} and not text.several and not others:
        return ""
    return ", ".join(found)


def _longest(text: _Words, at: int) -> tuple[int, str]:
    """End and kind of the longest known phrase at `at`; `at` and "" if there is none."""
    best, kind = at, ""
    ways = [(at, _tables().root)]
    while ways:
        here, node = ways.pop()
        if node.kind and (here > best or (here == best and kind in (FILLER, PERSON))):
            best, kind = here, node.kind
        if here == len(text.words):
            continue
        word = text.words[here]
        if word in node.further:
            ways.append((here + 1, node.further[word]))
        if ANY in node.further and here not in text.people:
            ways.append((here + 1, node.further[ANY]))
        for slot in SLOTS:
            if slot in node.further:
                ways += [(stop, node.further[slot]) for stop in _fills(text, here, slot)]
    if not kind and _tells_nothing(text.words[at]):
        return at + 1, FILLER
    return best, kind


def _fills(text: _Words, at: int, slot: str) -> Iterator[int]:
    """Where a person, in the form of `slot`, that begins at `at` may end."""
    classes = _tables().classes
    if slot in classes.get(text.words[at], ()):
        yield at + 1
    if slot == "ONESELF":
        return
    for first in range(at, min(at + 4, len(text.words))):
        if slot == "ONE" and first in text.people:
            yield text.people[first]
            return
        if slot == "ONE" and first > at and "ONE" in classes.get(text.words[first], ()):
            yield first + 1
        if slot == "ONE'S" and text.words[first].endswith(("'s", "s'")):
            yield first + 1
            return
        owner = "ONE'S" in classes.get(text.words[first], ())
        if not owner and not _tells_nothing(text.words[first]):
            return


def _modifies(text: _Words, at: int) -> bool:
    """Whether a person's noun follows closely, so that the word at `at` describes the person."""
    if text.words[at].endswith("ing"):
        return False
    return any(first in text.people for first in range(at + 1, at + 1 + MODIFIERS))


def _tells_nothing(word: str) -> bool:
    """Whether it only describes people, or is a number or an adverb."""
    if word[0].isdecimal():
        return True
    if len(word) > 4 and word.endswith("ly") and word not in _tables().not_adverbs:
        return True
    return any(word in tables()[name] for name in DESCRIBES)


def _without_dropped(text: Segmented) -> _Words:
    kept: list[str] = []
    new_index: dict[int, int] = {}
    at = 0
    while at < len(text.words):
        stop = at if at in text.people else _dropped_until(text.words, at)
        if stop == at:
            new_index[at] = len(kept)
            kept.append(text.words[at])
            stop = at + 1
        at = stop
    people = {}
    for first, stop in text.people.items():
        inside = [new_index[at] for at in range(first, stop) if at in new_index]
        people[inside[0]] = inside[-1] + 1
    return _Words(kept, people, text.several, text.at_work)


def _dropped_until(words: Sequence[str], at: int) -> int:
    node, best = _tables().dropped, at
    for here in range(at, len(words)):
        if words[here] not in node.further:
            break
        node = node.further[words[here]]
        best = here + 1 if node.kind else best
    return best


# Reading the tables.


@cache
def _tables() -> _Tables:
    document = yaml.safe_load(TABLES.read_text(encoding="utf-8"))
    dropped, root = _Node(), _Node()
    for phrase in document["dropped"]:
        _add(dropped, phrase.split(), "dropped")
    gone = set(document["dropped"])
    for name, kind in ((FILLER, FILLER), ("persons", PERSON)):
        for phrase in document[name]:
            _add(root, phrase.split(), kind)
    for kind, idioms in document["activities"].items():
        for idiom in idioms["is"]:
            for words in _expand(idiom, document["sets"]):
                _add(root, [word for word in words if word not in gone], kind)
        for idiom in idioms["does"]:
            for verb, *rest in _expand(idiom, document["sets"]):
                noun = not rest and verb in document["also_nouns"]
                for form in _forms(verb, document["forms"], noun):
                    _add(root, [form, *(word for word in rest if word not in gone)], kind)
    classes: dict[str, set[str]] = {}
    for name, slot in zip(("objects", "possessives", "reflexives"), SLOTS, strict=True):
        for word in (*document[name], *(document["persons"] if slot == "ONE" else ())):
            classes.setdefault(word, set()).add(slot)
    return _Tables(
        root=root,
        dropped=dropped,
        mild=frozenset(document["mild"]),
        classes={word: frozenset(slots) for word, slots in classes.items()},
        not_adverbs=frozenset(document["not_adverbs"]),
    )


def _add(root: _Node, words: Sequence[str], kind: str) -> None:
    node = root
    for word in words:
        node = node.further.setdefault(word, _Node())
    node.kind = kind


def _expand(idiom: str, sets: Mapping[str, Sequence[str]]) -> Iterator[list[str]]:
    """All phrases of an idiom: "get (so) wild/crazy" is "get wild", "get so wild" and so on."""
    parts: list[list[str]] = []
    for piece in re.split(r"(\([^()]*\))|\s", idiom):
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


def _forms(verb: str, irregular: Mapping[str, Sequence[str]], noun: bool) -> list[str]:
    """A verb and its other forms; without those that the noun of the same spelling has."""
    if verb in irregular:
        forms = [verb, *irregular[verb]]
        return [form for form in forms if not (noun and form in (verb, plural(verb)))]
    stem = verb.removesuffix("e")
    past = re.sub(r"(?<=[^aeou])y$", "i", stem) + "ed"
    return [f"{stem}ing", past, *(() if noun else (verb, plural(verb)))]
