"""Finds the people whom a prompt wants to see, and what it says of each.

Rules over the word tables of `people.yaml`. A word counts as a person only where its noun phrase
ends (`nurse` in "a nurse shark" does not), where it is shown (not "a statue of a soldier") and
where the being is human. Time is linear in the length of the prompt.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

TABLES = Path(__file__).with_name("people.yaml")
THINGS_BESIDE = "things_beside"
MAX_LETTERS = 8000
"""Longer prompts are left alone."""
ADULT_AGE = 18

Gender = Literal["woman", "man"]

WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
BREAK = re.compile(r"[,;:!?.|\n()\[\]{}\"“”/—–]|\s-\s|^-|-$")
QUOTED = re.compile(r"\"[^\"\n]{0,300}\"|“[^”\n]{0,300}”")
AGE = re.compile(
    r"\b(?:(?:age|aged)[ :]{1,2}(?P<aged>\d{1,3})\b"
    r"|(?P<old>\d{1,3})[ -]?(?:years?|yrs?|y)[ -]?(?:olds?|o)\b"
    r"|(?P<named>ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen|five|six|seven"
    r"|eight|nine|four|three|two|one)[ -](?:years?|months?)[ -]olds?\b"
    r"|(?P<young>\d{1,2})(?:st|nd|rd|th)[ -]grade)"
)
TAGGED_CHILD = re.compile(r"\b\d+(?:girl|boy)s?\b")
PERIOD = re.compile(
    r"\b1(?:[0-8]\d|9[0-4])\ds\b|\b(?:in|from|of|year|circa|since|anno) 1(?:[0-8]\d|9[0-4])\d\b"
    r"|\b(?:\d|1\d)(?:st|nd|rd|th) century\b|\b1(?:[0-8]\d|9[0-4])\d year\b"
)
"""Years whose people looked as they did."""
LONGEST = 5
"""Words of the longest phrase that is looked up."""
REACH = 6
"""Words before a noun that can belong to it."""
NOUNS = (
    "occupations", "roles", "creators", "women", "men", "negative", "offices", "collectives",
    "pairs",
)  # fmt: skip
ADJECTIVES = frozenset(
    ("plain", "aged", "groups", "colours", "insulting", "looks", "female", "male", "womanly",
     "manly")
)  # fmt: skip
FOLLOW = ADJECTIVES - {"plain", "colours", "womanly", "manly"} | {
    "followers", "determiners", "misdeeds", "not_shown", "made", "boundaries", "lettering",
    "by_whom",
}  # fmt: skip
"""Labels of what may follow a person's noun."""
GENERIC = frozenset(
    ("woman", "man", "lady", "guy", "gentleman", "female", "male", "person", "human", "individual",
     "adult")
)  # fmt: skip
VERB_COMES = frozenset(
    ("to", "can", "will", "let", "lets", "never", "i", "you", "we", "they", "must", "should",
     "could", "would", "don't", "please")
)  # fmt: skip
"""After these, "judge" and "cook" are verbs."""
SAID_WITH = frozenset(("is", "are", "was", "looks", "very", "looking", "so", "too", "being"))
NUMBERS = {"two": 2, "2": 2, "pair": 2, "couple": 2, "three": 3, "3": 3, "trio": 3}


@dataclass
class Person:
    """One person, or several under one noun. `start` to `end` is the noun in the prompt.

    `adjective_at` is where an adjective of the group can stand, `number` how many they are (0 is
    many), `described` whether the prompt says already who they are, `generic` whether the noun
    says a gender and nothing else.
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
    """The people of a prompt, in its order; `left_alone` says why nothing may be said of any."""

    people: tuple[Person, ...]
    left_alone: str = ""


@dataclass(frozen=True)
class Segmented:
    """A prompt's words, lower case, in `segments` parts between punctuation.

    `people` maps the first word of each person's noun to the one behind its last; `several` is
    whether there is more than one person, `at_work` whether a noun is an occupation.
    """

    words: tuple[str, ...]
    segments: int
    people: dict[int, int]
    several: bool
    at_work: bool
    left_alone: str


@dataclass(frozen=True)
class _Word:
    text: str
    start: int
    end: int
    segment: int
    silent: bool  # lettering in the picture


@dataclass(frozen=True)
class _Span:
    """A known phrase: words `first` to before `stop`."""

    first: int
    stop: int
    labels: frozenset[str]


@dataclass(frozen=True)
class _Noun:
    """What the tables say of a person's noun."""

    lemma: str
    labels: frozenset[str]
    plural: bool


@dataclass(frozen=True)
class _Found:
    """A person, the word behind its noun, and the words that modify the noun."""

    person: Person
    stop: int
    modifiers: range


def cast(prompt: str) -> Cast:
    """Who is in the picture that `prompt` asks for."""
    if len(prompt) > MAX_LETTERS:
        return Cast((), "too long")
    return _Reader(prompt).cast()


def segmented(prompt: str) -> Segmented:
    """The words of `prompt`, and where people stand among them."""
    if len(prompt) > MAX_LETTERS:
        return Segmented((), 0, {}, False, False, "too long")
    return _Reader(prompt).segmented()


@cache
def tables() -> dict[str, frozenset[str]]:
    """Heading -> phrases, of `people.yaml`, read once."""
    return {
        name: frozenset(phrases) for name, phrases in _document().items() if name != THINGS_BESIDE
    }


@cache
def _things_beside() -> dict[str, frozenset[str]]:
    """Noun -> words that make it a thing: a knight in a prompt that speaks of chess."""
    return {noun: frozenset(words) for noun, words in _document()[THINGS_BESIDE].items()}


@cache
def _document() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(TABLES.read_text(encoding="utf-8"))
    return document


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


class _Lexicon:
    """The tables, ready to be looked up."""

    def __init__(self, headings: dict[str, frozenset[str]]) -> None:
        labels: dict[str, set[str]] = {}
        self.nouns: dict[str, _Noun] = {}
        for name, phrases in headings.items():
            if name in NOUNS:
                self._add_nouns(name, phrases)
            else:
                for phrase in phrases:
                    labels.setdefault(phrase, set()).add(name)
        for phrase in self.nouns:
            labels.setdefault(phrase, set()).add("noun")
        self._labels = {phrase: frozenset(names) for phrase, names in labels.items()}
        self._longer = {
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
                self.nouns[form] = _Noun(one, labels, is_plural)

    def spans(self, words: Sequence[_Word]) -> list[_Span]:
        """Known phrases, from the left, the longest first, without overlap."""
        found, at = [], 0
        while at < len(words):
            phrase, best = "", None
            for stop in range(at + 1, min(at + LONGEST, len(words)) + 1):
                if words[stop - 1].segment != words[at].segment:
                    break
                phrase = f"{phrase} {words[stop - 1].text}".lstrip()
                if labels := self._labels.get(phrase):
                    best = _Span(at, stop, labels)
                if phrase not in self._longer:
                    break
            if best:
                found.append(best)
            at = best.stop if best else at + 1
        return found


@cache
def _lexicon() -> _Lexicon:
    return _Lexicon(tables())


class _Reader:
    """One prompt under reading."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt
        self._lexicon = _lexicon()
        self._words = _words(prompt)
        self._all_words = {word.text for word in self._words}
        self._spans = self._lexicon.spans(self._words)
        self._span_at: list[_Span | None] = [None] * len(self._words)
        for span in self._spans:
            self._span_at[span.first : span.stop] = [span] * (span.stop - span.first)
        letters = [word for word in self._words if prompt[word.start].isalpha()]
        capitals = sum(prompt[word.start].isupper() for word in letters)
        self._title_case = capitals > max(1, len(letters) // 2)
        self._found: list[_Found] = []
        self._by_lemma: dict[str, Person] = {}

    def cast(self) -> Cast:
        if reason := self._left_alone():
            return Cast((), reason)
        self._find()
        self._attach()
        return Cast(tuple(found.person for found in self._found if found.person.human))

    def segmented(self) -> Segmented:
        self._find()
        self._attach()
        first_at = {word.start: at for at, word in enumerate(self._words)}
        shown = [found for found in self._found if found.person.human]
        spans = [self._span_at[first_at[found.person.start]] for found in shown]
        return Segmented(
            words=tuple(word.text for word in self._words),
            segments=self._words[-1].segment + 1 if self._words else 0,
            people={first_at[found.person.start]: found.stop for found in shown},
            several=len(shown) > 1 or any(found.person.number != 1 for found in shown),
            at_work=any("occupations" in self._noun_labels(span) for span in spans),
            left_alone=self._left_alone(),
        )

    # What leaves the whole prompt alone.

    def _left_alone(self) -> str:
        text = " ".join(word.text for word in self._words)
        if any("children" in s.labels and "not_children" not in s.labels for s in self._spans):
            return "children"
        if TAGGED_CHILD.search(text):
            return "children"
        for age in AGE.finditer(text):
            if age["named"] or age["young"] or int(age["aged"] or age["old"]) < ADULT_AGE:
                return "children"
        if PERIOD.search(text) or any("settings" in span.labels for span in self._spans):
            return "setting"
        if any("insults_any_group" in span.labels for span in self._spans):
            return "insulting"
        return "named" if self._names_someone() else ""

    def _names_someone(self) -> bool:
        for at, word in enumerate(self._words):
            span = self._span_at[at]
            labels = span.labels if span else frozenset()
            shown = at < self._artist_from
            if "famous" in labels and shown:
                return True
            if "named" in labels and "noun" in self._labels_at(at - 1):
                return True
            if "offices" in self._noun_labels(span) and span and span.first == at:
                noun = self._lexicon.nouns[self._phrase(span)]
                if not noun.plural and self._text(at - 1) not in ("a", "an", "another"):
                    return True
            if shown and not word.silent and self._is_name(at, labels):
                return True
        return False

    def _is_name(self, at: int, labels: frozenset[str]) -> bool:
        before = self._text(at - 1)
        if before in ("dr", "mr", "mrs", "ms") and self._letters_between(at) in (" ", ". "):
            return True
        placed = "elsewhere" in self._labels_at(at - 1) and not self._breaks(at)
        if "given_names" in labels:
            return (self._capital(at) or self._prompt.islower()) and not placed
        if not self._capital(at) or self._title_case or self._span_at[at]:
            return False
        if not self._breaks(at) and self._labels_at(at - 1) & {"noun", "titles"}:
            return True
        follows = at + 1 < len(self._words) and not self._breaks(at + 1)
        two = follows and self._capital(at + 1) and not self._span_at[at + 1]
        opens = at == 0 or self._breaks(at) or before in ("of", "with", "and", "or")
        return two and (opens or self._text(at + 2) == "as") and not placed

    @cached_property
    def _artist_from(self) -> int:
        """The first word from which names are those of makers."""
        for at, word in enumerate(self._words):
            by_maker = word.text == "by" and self._text(at - 1) not in tables()["by_whom"]
            in_style = word.text == "style" and "not_shown" in self._labels_at(at)
            if by_maker or in_style:
                return at
        return len(self._words)

    # The people.

    def _find(self) -> None:
        for span in self._spans:
            if "noun" not in span.labels or "not_people" in span.labels:
                continue
            if not self._words[span.first].silent and self._ends_phrase(span):
                self._take(span)

    def _take(self, span: _Span) -> None:
        noun = self._lexicon.nouns[self._phrase(span)]
        if not self._all_words.isdisjoint(_things_beside().get(noun.lemma, ())):
            return
        left, determiner = self._left_of(span)
        modifiers = range(left, span.first)
        starts = left if determiner is None else determiner
        told = self._text(determiner) if determiner is not None else ""
        if told in ("any", "each", "every") or not self._is_shown(starts, determiner, noun):
            return
        if not self._is_meant(span, noun, modifiers, starts, told):
            return
        person = self._person(span, noun, modifiers, determiner)
        if self._same_as_before(person, noun, starts, told):
            return
        self._by_lemma.setdefault(noun.lemma, person)
        self._found.append(_Found(person, span.stop, modifiers))

    def _ends_phrase(self, span: _Span) -> bool:
        """Whether no noun follows that the person's noun would only be a part of."""
        start, end = self._words[span.first].start, self._words[span.stop - 1].end
        if self._prompt[end : end + 1] in ("'", "’", "/", "-"):
            return False
        if start and self._prompt[start - 1] == "/":
            return False
        if span.stop == len(self._words) or self._breaks(span.stop):
            return True
        at = span.stop
        while at < span.stop + REACH and not self._breaks(at):
            if "noun" in self._labels_at(at):
                return False
            if not self._labels_at(at) & ADJECTIVES:
                break
            at = self._span_stop(at)
        word, labels = self._text(span.stop), self._labels_at(span.stop)
        if labels & {"not_people", "non_humans"}:
            return False
        if labels & FOLLOW or word[0].isdecimal():
            return True
        if "many_followers" in labels:
            return self._lexicon.nouns[self._phrase(span)].plural
        verb = len(word) > 4 and word.endswith(("ing", "ed", "ly"))
        return verb and "not_followers" not in labels

    def _left_of(self, span: _Span) -> tuple[int, int | None]:
        """First word of the noun's modifiers, and its determiner."""
        at = span.first
        while at > 0 and span.first - at < REACH:
            if self._breaks(at) and not self._list_of_adjectives(at):
                break
            word, labels = self._text(at - 1), self._labels_at(at - 1)
            if word in tables()["determiners"]:
                counted = word in ("one", "two", "three", "four", "five", "six")
                the = self._text(at - 2) in ("the", "these", "those", "all")
                return at, at - 2 if counted and the and not self._breaks(at - 1) else at - 1
            if "not_shown" in labels or ("boundaries" in labels and "noun" not in labels):
                break
            at -= 1
        # Without a determiner, "tall, old nurse" is a list of tags: only the last is the nurse's.
        breaks = [before for before in range(at + 1, span.first + 1) if self._breaks(before)]
        return (breaks[-1] if breaks else at), None

    def _list_of_adjectives(self, at: int) -> bool:
        """Whether the comma before word `at` stands as in "a tall, old nurse"."""
        labels = self._labels_at(at - 1)
        adjective = bool(labels & ADJECTIVES) and "noun" not in labels
        return adjective and self._letters_between(at) == ", "

    def _is_shown(self, starts: int, determiner: int | None, noun: _Noun) -> bool:
        opens = starts == 0 or self._breaks(starts)
        before = self._text(starts - 1)
        if determiner is None:
            if "creators" in noun.labels and self._words[starts].segment > 0:
                return False
            if not opens and not noun.plural and before in VERB_COMES:
                return False
        if opens:
            return True
        if "not_shown" in self._labels_at(starts - 1):
            return False
        if before == "by":
            return self._text(starts - 2) in tables()["by_whom"]
        if before == "of":
            owner = self._span_at[starts - 2] if starts > 1 else None
            many = bool(self._noun_labels(owner) & {"collectives", "pairs"})
            return many or "pictures" in self._labels_at(starts - 2)
        return True

    def _is_meant(self, span: _Span, noun: _Noun, modifiers: range, starts: int, told: str) -> bool:
        """Whether a word that is often a thing, a name or a tag is here a person."""
        unknown = any(
            not self._labels_at(at) & ADJECTIVES and not self._text(at)[0].isdecimal()
            for at in modifiers
        )
        first, last = self._words[span.first], self._words[span.stop - 1]
        if "ambiguous" in span.labels and (unknown or self._text(span.stop) == "of"):
            return False
        if any("given_names" in self._labels_at(at) for at in modifiers):
            return False
        later_tag = not told and first.segment > 0 and self._breaks(starts)
        if later_tag and unknown and self._artist_from < starts:
            return False
        if later_tag and noun.lemma in ("female", "male") and not self._found:
            return False
        shouted = self._prompt[first.start : last.end]
        return not (len(shouted) > 4 and shouted.isupper() and not self._prompt.isupper())

    def _person(self, span: _Span, noun: _Noun, modifiers: range, determiner: int | None) -> Person:
        labels = frozenset[str]().union(*(self._labels_at(at) for at in modifiers))
        gendered = [at for at in modifiers if self._labels_at(at) & {"female", "male"}]
        person = Person(
            start=self._words[span.first].start,
            end=self._words[span.stop - 1].end,
            adjective_at=self._words[gendered[0] if gendered else span.first].start,
            gender=_gender(labels | noun.labels),
            aged="aged" in labels or any(self._text(at)[0].isdecimal() for at in modifiers),
            described=bool(labels & {"groups", "looks", "colours", "countries"}),
            negative="negative" in noun.labels or "insulting" in labels,
            collective="collectives" in noun.labels,
            pair="pairs" in noun.labels,
            generic=bool(noun.labels & {"women", "men"}) and noun.lemma in GENERIC,
            human=not labels & {"non_humans", "not_people"},
        )
        many = person.collective or person.pair
        if many and self._text(span.stop) == "of" and not self._breaks(span.stop):
            person.human = False  # the people follow: "a crew of nurses", or are none
        if person.pair:
            person.number = 2
        elif noun.plural or person.collective:
            person.number = self._number(modifiers, determiner)
        return person

    def _number(self, modifiers: range, determiner: int | None) -> int:
        counted = [*modifiers] if determiner is None else [determiner, *modifiers]
        words = [self._text(at) for at in counted]
        if counted and self._text(counted[0] - 1) == "of":
            words.append(self._text(counted[0] - 2))
        return next((NUMBERS[word] for word in words if word in NUMBERS), 0)

    def _same_as_before(self, person: Person, noun: _Noun, starts: int, told: str) -> bool:
        """Whether the noun names again who was named; what it adds is then said of them."""
        if not self._found:
            return False
        definite = told in ("the", "this", "that", "these", "those", "both")
        known = self._by_lemma.get(noun.lemma)
        if known is not None and (definite or not told or noun.plural):
            _add(known, person)
            return True
        bare_tag = not told and starts > 0 and self._breaks(starts) and person.number == 1
        if bare_tag or (definite and noun.lemma in GENERIC):
            _add(self._found[-1].person, person)
            return True
        return False

    # What is said of a person outside its noun phrase.

    def _attach(self) -> None:
        if not self._found:
            return
        inside = {at for found in self._found for at in found.modifiers}
        stops = [found.stop for found in self._found]
        for span in self._spans:
            if span.first not in inside and not self._words[span.first].silent:
                nearest = max(0, bisect_left(stops, span.first + 1) - 1)
                self._say(self._found[nearest].person, span)

    def _say(self, person: Person, span: _Span) -> None:
        labels = span.labels
        before, after = self._text(span.first - 1), self._labels_at(span.stop)
        alone = self._is_alone(span)
        if labels & {"she", "womanly"} and person.number == 1:
            person.gender = person.gender or "woman"
        if labels & {"he", "manly"} and person.number == 1:
            person.gender = person.gender or "man"
        if "countries" in labels and before in ("in", "from", "of", "across"):
            person.described = True
        thing = bool(after & {"not_described_by", "non_humans"}) and not self._breaks(span.stop)
        if ("groups" in labels and not thing) or "looks" in labels:
            person.described = True
        if "colours" in labels and (alone or before == "one"):
            person.described = True
        if "aged" in labels and (alone or before in SAID_WITH):
            person.aged = True
        if "misdeeds" in labels or ("insulting" in labels and (alone or before in SAID_WITH)):
            person.negative = True
        made = "made" in labels and (
            before in SAID_WITH or before == "entirely" or "noun" in self._labels_at(span.first - 1)
        )
        being = "beings" in labels and alone
        if made or being or ("non_humans" in labels and self._is_a(span.first)):
            person.human = False

    def _is_a(self, at: int) -> bool:
        """Whether "who is a" precedes, or "head" follows."""
        if "parts" in self._labels_at(self._span_stop(at)):
            return True
        while at > 0 and self._text(at - 1) in ("a", "an", "really", "actually", "giant"):
            at -= 1
        return self._text(at - 1) in ("is", "are", "being")

    # Words.

    def _span_stop(self, at: int) -> int:
        span = self._span_at[at] if at < len(self._words) else None
        return span.stop if span else at + 1

    def _is_alone(self, span: _Span) -> bool:
        opens = span.first == 0 or self._breaks(span.first)
        return opens and (span.stop == len(self._words) or self._breaks(span.stop))

    def _text(self, at: int) -> str:
        return self._words[at].text if 0 <= at < len(self._words) else ""

    def _labels_at(self, at: int) -> frozenset[str]:
        span = self._span_at[at] if 0 <= at < len(self._words) else None
        return span.labels if span else frozenset()

    def _phrase(self, span: _Span) -> str:
        return " ".join(word.text for word in self._words[span.first : span.stop])

    def _noun_labels(self, span: _Span | None) -> frozenset[str]:
        noun = self._lexicon.nouns.get(self._phrase(span)) if span else None
        return noun.labels if noun else frozenset()

    def _breaks(self, at: int) -> bool:
        """Whether punctuation stands before word `at`."""
        if not 0 < at < len(self._words):
            return False
        return self._words[at].segment != self._words[at - 1].segment

    def _letters_between(self, at: int) -> str:
        return self._prompt[self._words[at - 1].end : self._words[at].start] if at else ""

    def _capital(self, at: int) -> bool:
        word = self._prompt[self._words[at].start : self._words[at].end]
        return word[0].isupper() and not word.isupper()


def _words(prompt: str) -> list[_Word]:
    quoted = [found.span() for found in QUOTED.finditer(prompt)]
    words: list[_Word] = []
    segment, end, lettering, quotes = 0, 0, False, 0
    for found in WORD.finditer(prompt):
        gap = prompt[end : found.start()]
        title = gap == ". " and words and words[-1].text in ("dr", "mr", "mrs", "ms", "st")
        if words and BREAK.search(gap) and not title:
            segment, lettering = segment + 1, False
        while quotes < len(quoted) and quoted[quotes][1] <= found.start():
            quotes += 1
        in_quotes = quotes < len(quoted) and quoted[quotes][0] <= found.start()
        text = found[0].lower().replace("’", "'")
        words.append(_Word(text, *found.span(), segment, in_quotes or lettering))
        reads = text in ("reads", "read") and len(words) > 1 and words[-2].text in ("that", "which")
        lettering = lettering or text in tables()["lettering"] or reads
        end = found.end()
    return words


def _gender(labels: frozenset[str]) -> Gender | None:
    if labels & {"women", "female", "womanly"}:
        return "woman"
    return "man" if labels & {"men", "male", "manly"} else None


def _add(known: Person, told: Person) -> None:
    known.gender = known.gender or told.gender
    known.aged |= told.aged
    known.described |= told.described
    known.negative |= told.negative
    known.human &= told.human
