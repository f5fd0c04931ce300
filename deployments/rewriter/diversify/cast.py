"""Finds the people whom a prompt wants to see, and what it says of each.

The rules use the word tables of this folder. Each noun phrase of people names somebody new, or
somebody who was named before. What stands outside of the phrases is said of the nearest person.
Only human beings count. Time is linear in the length of the prompt.
"""

from bisect import bisect_left
from dataclasses import dataclass
from typing import Literal

from deployments.rewriter.diversify.left_alone import why_left_alone
from deployments.rewriter.diversify.noun_phrases import NounPhrase, noun_phrases
from deployments.rewriter.diversify.parsed_prompt import ParsedPrompt, Span
from deployments.rewriter.numbers import NUMBER_WORDS

MAX_LETTERS = 8000
"""Longer prompts are left alone."""

Gender = Literal["woman", "man"]

GENERIC = frozenset(
    ("woman", "man", "lady", "guy", "gentleman", "female", "male", "person", "human", "individual",
     "adult")
)  # fmt: skip
SAID_WITH = frozenset(("is", "are", "was", "looks", "very", "looking", "so", "too", "being"))
NUMBERS = {
    **{NUMBER_WORDS[n]: n for n in (2, 3)},
    **{str(n): n for n in (2, 3)},
    "pair": 2,
    "couple": 2,
    "trio": 3,
}


@dataclass
class Person:
    """One person, or several under one noun.

    Attributes:
        start, end: the noun, in characters of the prompt.
        adjective_at: where an adjective for the group can stand.
        number: how many people the noun stands for; 0 for many.
        aged: the prompt says an age.
        described: the prompt says already who they are.
        negative: no group may be said of them, as it would be an insult.
        collective: the noun is one word for many people, "crowd".
        pair: the noun is one word for two people, "couple".
        generic: the noun says a gender and nothing else.
    """

    start: int
    end: int
    adjective_at: int
    number: int = 1
    gender: Gender | None = None
    aged: bool = False
    described: bool = False
    negative: bool = False
    collective: bool = False
    pair: bool = False
    generic: bool = False
    human: bool = True


@dataclass(frozen=True)
class Cast:
    """The people of a prompt, from left to right; `left_alone` says why nothing is added to it."""

    people: tuple[Person, ...]
    left_alone: str = ""


@dataclass(frozen=True)
class Segmented:
    """A prompt's words, and where people stand among them.

    Attributes:
        words: in lower case.
        segments: the number of parts between punctuation.
        people: first word of each person's noun -> the word behind the noun.
        several: there is more than one person.
        at_work: a noun is an occupation.
        left_alone: why the prompt is left alone, or "".
    """

    words: tuple[str, ...]
    segments: int
    people: dict[int, int]
    several: bool
    at_work: bool
    left_alone: str


def cast(prompt: str) -> Cast:
    """Who is in the picture that `prompt` asks for."""
    if len(prompt) > MAX_LETTERS:
        return Cast((), "too long")
    return _PeopleFinder(prompt).cast()


def segmented(prompt: str) -> Segmented:
    """The words of `prompt`, and where people stand among them."""
    if len(prompt) > MAX_LETTERS:
        return Segmented((), 0, {}, False, False, "too long")
    return _PeopleFinder(prompt).segmented()


class _PeopleFinder:
    """Finds the people of one prompt."""

    def __init__(self, prompt: str) -> None:
        self._parsed = ParsedPrompt(prompt)
        self._found: list[tuple[NounPhrase, Person]] = []
        self._by_lemma: dict[str, Person] = {}

    def cast(self) -> Cast:
        if reason := why_left_alone(self._parsed):
            return Cast((), reason)
        return Cast(tuple(person for _, person in self._people()))

    def segmented(self) -> Segmented:
        shown = self._people()
        return Segmented(
            words=tuple(word.text for word in self._parsed.words),
            segments=self._parsed.segments,
            people={phrase.span.first: phrase.span.stop for phrase, _ in shown},
            several=len(shown) > 1 or any(person.number != 1 for _, person in shown),
            at_work=any("occupations" in phrase.noun.labels for phrase, _ in shown),
            left_alone=why_left_alone(self._parsed),
        )

    def _people(self) -> list[tuple[NounPhrase, Person]]:
        """The human beings, each with the phrase that names them first."""
        for phrase in noun_phrases(self._parsed):
            self._take(phrase)
        if self._found:
            self._attach()
        return [(phrase, person) for phrase, person in self._found if person.human]

    def _take(self, phrase: NounPhrase) -> None:
        """Adds the person of a phrase, or what it says of somebody who was named before."""
        person = self._person(phrase)
        if known := self._named_before(phrase, person):
            _add(known, person)
            return
        self._by_lemma.setdefault(phrase.noun.lemma, person)
        self._found.append((phrase, person))

    def _person(self, phrase: NounPhrase) -> Person:
        """The person whom a phrase names, with what the phrase says."""
        parsed, span, noun, modifiers = self._parsed, phrase.span, phrase.noun, phrase.modifiers
        labels = frozenset[str]().union(*(parsed.labels(at) for at in modifiers))
        gendered = [at for at in modifiers if parsed.labels(at) & {"female", "male"}]
        person = Person(
            start=parsed.words[span.first].start,
            end=parsed.words[span.stop - 1].end,
            adjective_at=parsed.words[gendered[0] if gendered else span.first].start,
            gender=_gender(labels | noun.labels),
            aged="aged" in labels or any(parsed.word(at)[0].isdecimal() for at in modifiers),
            described=bool(labels & {"groups", "looks", "colours", "countries"}),
            negative="negative" in noun.labels or "insulting" in labels,
            collective="collectives" in noun.labels,
            pair="pairs" in noun.labels,
            generic=bool(noun.labels & {"women", "men"}) and noun.lemma in GENERIC,
            human=not labels & {"non_humans", "not_people"},
        )
        many = person.collective or person.pair
        if many and parsed.word(span.stop) == "of" and not parsed.breaks(span.stop):
            person.human = False  # the people follow: "a crew of nurses", or are none
        if person.pair:
            person.number = 2
        elif noun.plural or person.collective:
            person.number = self._number(phrase)
        return person

    def _number(self, phrase: NounPhrase) -> int:
        counted = [*phrase.modifiers]
        if phrase.determiner is not None:
            counted.insert(0, phrase.determiner)
        words = [self._parsed.word(at) for at in counted]
        if counted and self._parsed.word(phrase.first - 1) == "of":
            words.append(self._parsed.word(phrase.first - 2))
        return next((NUMBERS[word] for word in words if word in NUMBERS), 0)

    def _named_before(self, phrase: NounPhrase, person: Person) -> Person | None:
        """The person whom the phrase names once more, or None if it names somebody new."""
        if not self._found:
            return None
        noun, told = phrase.noun, phrase.told
        definite = told in ("the", "this", "that", "these", "those", "both")
        known = self._by_lemma.get(noun.lemma)
        if known is not None and (definite or not told or noun.plural):
            return known
        bare_tag = not told and self._parsed.breaks(phrase.first) and person.number == 1
        if bare_tag or (definite and noun.lemma in GENERIC):
            return self._found[-1][1]
        return None

    def _attach(self) -> None:
        """Takes in what is said of the people outside of their noun phrases."""
        inside = {at for phrase, _ in self._found for at in phrase.modifiers}
        stops = [phrase.span.stop for phrase, _ in self._found]
        for span in self._parsed.spans:
            if span.first not in inside and not self._parsed.words[span.first].silent:
                nearest = max(0, bisect_left(stops, span.first + 1) - 1)
                self._say(self._found[nearest][1], span)

    def _say(self, person: Person, span: Span) -> None:
        """Says of `person` what the known phrase at `span` says."""
        parsed, labels = self._parsed, span.labels
        before, after = parsed.word(span.first - 1), parsed.labels(span.stop)
        alone = parsed.is_alone(span)
        if labels & {"she", "womanly"} and person.number == 1:
            person.gender = person.gender or "woman"
        if labels & {"he", "manly"} and person.number == 1:
            person.gender = person.gender or "man"
        if "countries" in labels and before in ("in", "from", "of", "across"):
            person.described = True
        thing = bool(after & {"not_described_by", "non_humans"}) and not self._parsed.breaks(
            span.stop
        )
        if ("groups" in labels and not thing) or "looks" in labels:
            person.described = True
        if "colours" in labels and (alone or before == "one"):
            person.described = True
        if "aged" in labels and (alone or before in SAID_WITH):
            person.aged = True
        if "misdeeds" in labels or ("insulting" in labels and (alone or before in SAID_WITH)):
            person.negative = True
        made = "made" in labels and (
            before in SAID_WITH or before == "entirely" or "noun" in parsed.labels(span.first - 1)
        )
        being = "beings" in labels and alone
        if made or being or ("non_humans" in labels and self._is_a(span.first)):
            person.human = False

    def _is_a(self, at: int) -> bool:
        """Whether "who is a" precedes, or "head" follows."""
        if "parts" in self._parsed.labels(self._parsed.stop(at)):
            return True
        while at > 0 and self._parsed.word(at - 1) in ("a", "an", "really", "actually", "giant"):
            at -= 1
        return self._parsed.word(at - 1) in ("is", "are", "being")


def _gender(labels: frozenset[str]) -> Gender | None:
    if labels & {"women", "female", "womanly"}:
        return "woman"
    return "man" if labels & {"men", "male", "manly"} else None


def _add(known: Person, told: Person) -> None:
    """Says of `known` what is said of `told`, who is the same person."""
    known.gender = known.gender or told.gender
    known.aged |= told.aged
    known.described |= told.described
    known.negative |= told.negative
    known.human &= told.human
