"""Finds prompts that leave open what their people do: "Show two people having fun".

A prompt is vague when it shows people, says only an open activity of them, and nothing else that
would make the picture definite. The tables hold the open activities, by kind, and the words that
tell nothing: who, when, where, in which style. One word outside of them makes a prompt specific,
unless it names the place of an activity that is open wherever it happens.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from deployments.rewriter.diversify.cast import Segmented, segmented
from deployments.rewriter.diversify.lexicon import tables
from deployments.rewriter.revise.activities import FILLER, PERSON, SLOTS, activities
from deployments.rewriter.tables import ANY

MAX_WORDS = 18
MAX_LETTERS = 200
"""Longer prompts count as specific: no long text is read."""
MAX_SEGMENTS = 4
MAX_PLACE = 3
"""How many unknown words behind "in" or "at" may be the name of a place."""
MODIFIERS = 2
"""How many unknown words before a person's noun may describe the person."""
CHARGED = "charged"
MILD = frozenset(("fun", "action", "anticipation", "places", CHARGED))
"""With one of these kinds any further word tells enough ("having fun at a bowling alley"); beside
the other kinds a place may be anything ("up to no good at a bowling alley")."""
PLACED = frozenset(("in", "at", "on", "near", "inside", "outside", "behind", "under", "around"))
DESCRIBES = ("plain", "groups", "aged", "colours", "insulting", "looks", "female", "male")
"""Headings of words that describe people: "happy", "Brazilian"."""


@dataclass(frozen=True)
class _Words:
    """A prompt's words without the dropped ones; the other fields are those of `Segmented`."""

    words: Sequence[str]
    people: Mapping[int, int]
    several: bool
    at_work: bool


def vague(prompt: str) -> bool:
    """Whether `prompt` asks for people and leaves open what they do; False if it has children."""
    return bool(open_activity(prompt))


def open_activity(prompt: str) -> str:
    """The words that make `prompt` vague, without articles; empty if it is specific."""
    if len(prompt) > MAX_LETTERS:
        return ""
    text = segmented(prompt)
    if text.left_alone in ("children", "named"):
        return ""
    if not 0 < len(text.words) <= MAX_WORDS or text.segments > MAX_SEGMENTS:
        return ""
    return _open_activity(_without_dropped(text))


def _open_activity(text: _Words) -> str:
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
    if not people or (not place_known and kinds <= MILD):
        return ""
    if kinds <= {"action", CHARGED} and text.at_work:
        return ""
    if kinds <= {"places", CHARGED} and not text.several and not others:
        return ""
    return ", ".join(found)


def _longest(text: _Words, at: int) -> tuple[int, str]:
    """End and kind of the longest known phrase at `at`; `at` and "" if there is none."""
    best, kind = at, ""
    ways = [(at, activities().phrases)]
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
    """The ends of a person that begins at `at`, in the form of `slot`."""
    fits = activities().fits
    if slot in fits.get(text.words[at], ()):
        yield at + 1
    if slot == "ONESELF":
        return
    for first in range(at, min(at + 4, len(text.words))):
        if slot == "ONE" and first in text.people:
            yield text.people[first]
            return
        if slot == "ONE" and first > at and "ONE" in fits.get(text.words[first], ()):
            yield first + 1
        if slot == "ONE'S" and text.words[first].endswith(("'s", "s'")):
            yield first + 1
            return
        owner = "ONE'S" in fits.get(text.words[first], ())
        if not owner and not _tells_nothing(text.words[first]):
            return


def _modifies(text: _Words, at: int) -> bool:
    """Whether a person's noun follows closely, so that the word at `at` describes the person."""
    if text.words[at].endswith("ing"):
        return False
    return any(first in text.people for first in range(at + 1, at + 1 + MODIFIERS))


def _tells_nothing(word: str) -> bool:
    """Whether a word only describes people, or is a number or an adverb."""
    if word[0].isdecimal():
        return True
    if len(word) > 4 and word.endswith("ly") and word not in activities().not_adverbs:
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
    node, best = activities().dropped, at
    for here in range(at, len(words)):
        if words[here] not in node.further:
            break
        node = node.further[words[here]]
        best = here + 1 if node.kind else best
    return best
