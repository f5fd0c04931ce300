"""Finds the noun phrases of a prompt that are people in the picture.

A word for a person counts where its noun phrase ends ("nurse" does not in "a nurse shark"), and
where the picture shows the person (not in "a statue of a soldier").
"""

from collections.abc import Iterator
from dataclasses import dataclass

from deployments.rewriter.diversify.lexicon import Noun, tables, things_beside
from deployments.rewriter.diversify.parsed_prompt import ParsedPrompt, Span
from deployments.rewriter.numbers import NUMBER_WORDS

REACH = 6
"""How many words before a noun, or behind it, can belong to its phrase."""
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


def noun_phrases(parsed: ParsedPrompt) -> Iterator[NounPhrase]:
    """The noun phrases that show people, in order."""
    words = {word.text for word in parsed.words}
    some = False
    for span in parsed.spans:
        noun = parsed.noun(span)
        if noun is None or "not_people" in span.labels or parsed.words[span.first].silent:
            continue
        if not _ends(parsed, span, noun) or words & things_beside().get(noun.lemma, frozenset()):
            continue
        phrase = _phrase(parsed, span, noun)
        if _is_shown(parsed, phrase) and _is_meant(parsed, phrase, some):
            some = True
            yield phrase


def _ends(parsed: ParsedPrompt, span: Span, noun: Noun) -> bool:
    """Whether the phrase ends with the person's noun, which is no part of a longer noun."""
    start, end = parsed.words[span.first].start, parsed.words[span.stop - 1].end
    if parsed.prompt[end : end + 1] in ("'", "’", "/", "-"):
        return False
    if start and parsed.prompt[start - 1] == "/":
        return False
    if span.stop == len(parsed.words) or parsed.breaks(span.stop):
        return True
    at = span.stop
    while at < span.stop + REACH and not parsed.breaks(at):
        if "noun" in parsed.labels(at):
            return False
        if not parsed.labels(at) & ADJECTIVES:
            break
        at = parsed.stop(at)
    word, labels = parsed.word(span.stop), parsed.labels(span.stop)
    if labels & {"not_people", "non_humans"}:
        return False
    if labels & FOLLOW or word[0].isdecimal():
        return True
    if "many_followers" in labels:
        return noun.plural
    verb = len(word) > 4 and word.endswith(("ing", "ed", "ly"))
    return verb and "not_followers" not in labels


def _phrase(parsed: ParsedPrompt, span: Span, noun: Noun) -> NounPhrase:
    """The noun with its modifiers and its determiner."""
    at = span.first
    while at > 0 and span.first - at < REACH:
        if parsed.breaks(at) and not _list_of_adjectives(parsed, at):
            break
        word, labels = parsed.word(at - 1), parsed.labels(at - 1)
        if word in tables()["determiners"]:
            counted = word in NUMBER_WORDS[1:7]
            the = parsed.word(at - 2) in ("the", "these", "those", "all")
            determiner = at - 2 if counted and the and not parsed.breaks(at - 1) else at - 1
            told = parsed.word(determiner)
            return NounPhrase(span, noun, range(at, span.first), determiner, told)
        if "not_shown" in labels or ("boundaries" in labels and "noun" not in labels):
            break
        at -= 1
    # Without a determiner, "tall, old nurse" is a list of tags: only the last is the nurse's.
    breaks = [before for before in range(at + 1, span.first + 1) if parsed.breaks(before)]
    return NounPhrase(span, noun, range(breaks[-1] if breaks else at, span.first), None, "")


def _list_of_adjectives(parsed: ParsedPrompt, at: int) -> bool:
    """Whether the comma before word `at` stands as in "a tall, old nurse"."""
    labels = parsed.labels(at - 1)
    adjective = bool(labels & ADJECTIVES) and "noun" not in labels
    return adjective and parsed.gap(at) == ", "


def _is_shown(parsed: ParsedPrompt, phrase: NounPhrase) -> bool:
    """Whether these people are in the picture, which is not merely by, for or of them."""
    if phrase.told in ("any", "each", "every"):
        return False
    first, noun = phrase.first, phrase.noun
    opens, before = parsed.opens(first), parsed.word(first - 1)
    if phrase.determiner is None:
        if "creators" in noun.labels and parsed.words[first].segment > 0:
            return False
        if not opens and not noun.plural and before in VERB_COMES:
            return False
    if opens:
        return True
    if "not_shown" in parsed.labels(first - 1):
        return False
    if before == "by":
        return parsed.word(first - 2) in tables()["by_whom"]
    if before == "of":
        many = bool(parsed.noun_labels(parsed.span(first - 2)) & {"collectives", "pairs"})
        return many or "pictures" in parsed.labels(first - 2)
    return True


def _is_meant(parsed: ParsedPrompt, phrase: NounPhrase, some: bool) -> bool:
    """Whether a word that is often a thing, a name or a tag is here a person.

    `some` is whether a person was found before it.
    """
    span, modifiers = phrase.span, phrase.modifiers
    unknown = any(
        not parsed.labels(at) & ADJECTIVES and not parsed.word(at)[0].isdecimal()
        for at in modifiers
    )
    first, last = parsed.words[span.first], parsed.words[span.stop - 1]
    if "ambiguous" in span.labels and (unknown or parsed.word(span.stop) == "of"):
        return False
    if any("given_names" in parsed.labels(at) for at in modifiers):
        return False
    later_tag = not phrase.told and first.segment > 0 and parsed.breaks(phrase.first)
    if later_tag and unknown and parsed.makers_from < phrase.first:
        return False
    if later_tag and phrase.noun.lemma in ("female", "male") and not some:
        return False
    shouted = parsed.prompt[first.start : last.end]
    return not (len(shouted) > 4 and shouted.isupper() and not parsed.prompt.isupper())
