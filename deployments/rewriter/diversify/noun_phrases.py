"""Finds the noun phrases of a prompt that are people in the picture.

A word counts as a person only where its noun phrase ends (`nurse` in "a nurse shark" does not) and
where it is shown (not "a statue of a soldier").
"""

from collections.abc import Iterator
from dataclasses import dataclass

from deployments.rewriter.diversify.lexicon import Noun, tables, things_beside
from deployments.rewriter.diversify.reading import Reading, Span

REACH = 6
"""Words before a noun that can belong to it."""
ADJECTIVES = frozenset(
    ("plain", "aged", "groups", "colours", "insulting", "looks", "female", "male", "womanly",
     "manly")
)  # fmt: skip
FOLLOW = ADJECTIVES - {"plain", "colours", "womanly", "manly"} | {
    "followers", "determiners", "misdeeds", "not_shown", "made", "boundaries", "lettering",
    "by_whom",
}  # fmt: skip
"""Labels of what may follow a person's noun."""
VERB_COMES = frozenset(
    ("to", "can", "will", "let", "lets", "never", "i", "you", "we", "they", "must", "should",
     "could", "would", "don't", "please")
)  # fmt: skip
"""After these, "judge" and "cook" are verbs."""


@dataclass(frozen=True)
class NounPhrase:
    """A person's noun, at the words `span`, and what belongs to it.

    `modifiers` are the words directly before the noun, `determiner` is the word before them or
    None, `told` its text or "".
    """

    span: Span
    noun: Noun
    modifiers: range
    determiner: int | None
    told: str

    @property
    def first(self) -> int:
        """The first word."""
        return self.modifiers.start if self.determiner is None else self.determiner


def noun_phrases(reading: Reading) -> Iterator[NounPhrase]:
    """The noun phrases that show people, in order."""
    words = {word.text for word in reading.words}
    some = False
    for span in reading.spans:
        noun = reading.noun(span)
        if noun is None or "not_people" in span.labels or reading.words[span.first].silent:
            continue
        if not _ends(reading, span, noun) or words & things_beside().get(noun.lemma, frozenset()):
            continue
        phrase = _phrase(reading, span, noun)
        if _is_shown(reading, phrase) and _is_meant(reading, phrase, some):
            some = True
            yield phrase


def _ends(reading: Reading, span: Span, noun: Noun) -> bool:
    """Whether no noun follows that the person's noun would only be a part of."""
    start, end = reading.words[span.first].start, reading.words[span.stop - 1].end
    if reading.prompt[end : end + 1] in ("'", "’", "/", "-"):
        return False
    if start and reading.prompt[start - 1] == "/":
        return False
    if span.stop == len(reading.words) or reading.breaks(span.stop):
        return True
    at = span.stop
    while at < span.stop + REACH and not reading.breaks(at):
        if "noun" in reading.labels(at):
            return False
        if not reading.labels(at) & ADJECTIVES:
            break
        at = reading.stop(at)
    word, labels = reading.word(span.stop), reading.labels(span.stop)
    if labels & {"not_people", "non_humans"}:
        return False
    if labels & FOLLOW or word[0].isdecimal():
        return True
    if "many_followers" in labels:
        return noun.plural
    verb = len(word) > 4 and word.endswith(("ing", "ed", "ly"))
    return verb and "not_followers" not in labels


def _phrase(reading: Reading, span: Span, noun: Noun) -> NounPhrase:
    """The noun with its modifiers and its determiner."""
    at = span.first
    while at > 0 and span.first - at < REACH:
        if reading.breaks(at) and not _list_of_adjectives(reading, at):
            break
        word, labels = reading.word(at - 1), reading.labels(at - 1)
        if word in tables()["determiners"]:
            counted = word in ("one", "two", "three", "four", "five", "six")
            the = reading.word(at - 2) in ("the", "these", "those", "all")
            determiner = at - 2 if counted and the and not reading.breaks(at - 1) else at - 1
            told = reading.word(determiner)
            return NounPhrase(span, noun, range(at, span.first), determiner, told)
        if "not_shown" in labels or ("boundaries" in labels and "noun" not in labels):
            break
        at -= 1
    # Without a determiner, "tall, old nurse" is a list of tags: only the last is the nurse's.
    breaks = [before for before in range(at + 1, span.first + 1) if reading.breaks(before)]
    return NounPhrase(span, noun, range(breaks[-1] if breaks else at, span.first), None, "")


def _list_of_adjectives(reading: Reading, at: int) -> bool:
    """Whether the comma before word `at` stands as in "a tall, old nurse"."""
    labels = reading.labels(at - 1)
    adjective = bool(labels & ADJECTIVES) and "noun" not in labels
    return adjective and reading.gap(at) == ", "


def _is_shown(reading: Reading, phrase: NounPhrase) -> bool:
    """Whether the picture has these people, rather than is of, by or for them."""
    if phrase.told in ("any", "each", "every"):
        return False
    first, noun = phrase.first, phrase.noun
    opens, before = reading.opens(first), reading.word(first - 1)
    if phrase.determiner is None:
        if "creators" in noun.labels and reading.words[first].segment > 0:
            return False
        if not opens and not noun.plural and before in VERB_COMES:
            return False
    if opens:
        return True
    if "not_shown" in reading.labels(first - 1):
        return False
    if before == "by":
        return reading.word(first - 2) in tables()["by_whom"]
    if before == "of":
        many = bool(reading.noun_labels(reading.span(first - 2)) & {"collectives", "pairs"})
        return many or "pictures" in reading.labels(first - 2)
    return True


def _is_meant(reading: Reading, phrase: NounPhrase, some: bool) -> bool:
    """Whether a word that is often a thing, a name or a tag is here a person.

    `some` is whether there is a person before.
    """
    span, modifiers = phrase.span, phrase.modifiers
    unknown = any(
        not reading.labels(at) & ADJECTIVES and not reading.word(at)[0].isdecimal()
        for at in modifiers
    )
    first, last = reading.words[span.first], reading.words[span.stop - 1]
    if "ambiguous" in span.labels and (unknown or reading.word(span.stop) == "of"):
        return False
    if any("given_names" in reading.labels(at) for at in modifiers):
        return False
    later_tag = not phrase.told and first.segment > 0 and reading.breaks(phrase.first)
    if later_tag and unknown and reading.makers_from < phrase.first:
        return False
    if later_tag and phrase.noun.lemma in ("female", "male") and not some:
        return False
    shouted = reading.prompt[first.start : last.end]
    return not (len(shouted) > 4 and shouted.isupper() and not reading.prompt.isupper())
