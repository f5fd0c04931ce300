"""Splits a prompt into words, in segments between punctuation, and finds known phrases in them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from deployments.rewriter.diversify.lexicon import Noun, lexicon, tables

WORD = re.compile(r"[^\W_]+(?:['’.-][^\W_]+)*")
BREAK = re.compile(r"[,;:!?.|\n()\[\]{}\"“”/—–]|\s-\s|^-|-$")
QUOTED = re.compile(r"\"[^\"\n]{0,300}\"|“[^”\n]{0,300}”")
ADDRESSED = ("dr", "mr", "mrs", "ms")
"""Titles before a name. A full stop behind them ends no sentence."""
LONGEST = 5
"""Words of the longest phrase that is looked up."""


@dataclass(frozen=True)
class Word:
    """A word in lower case, at characters `start` to `end`.

    `segment` counts from 0. A `silent` word is lettering in the picture: it names nobody.
    """

    text: str
    start: int
    end: int
    segment: int
    silent: bool


@dataclass(frozen=True)
class Span:
    """A known phrase: words `first` to before `stop`."""

    first: int
    stop: int
    labels: frozenset[str]


class ParsedPrompt:
    """A prompt in words and known phrases. Word numbers outside of it have no text, label or break.

    Attributes:
        prompt: the text as it was given.
        words: all of its words.
        spans: the known phrases from left to right, each as long as possible, without overlap.
    """

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        self.words = _words(prompt)
        self.spans = _spans(self.words)
        self._span_at: list[Span | None] = [None] * len(self.words)
        for span in self.spans:
            self._span_at[span.first : span.stop] = [span] * (span.stop - span.first)

    @property
    def segments(self) -> int:
        """The number of segments."""
        return self.words[-1].segment + 1 if self.words else 0

    @cached_property
    def makers_from(self) -> int:
        """The first word from which on names are those of makers: "by", "in the style of"."""
        for at, word in enumerate(self.words):
            by_maker = word.text == "by" and self.word(at - 1) not in tables()["by_whom"]
            in_style = word.text == "style" and "not_shown" in self.labels(at)
            if by_maker or in_style:
                return at
        return len(self.words)

    def word(self, at: int) -> str:
        """Word `at`."""
        return self.words[at].text if 0 <= at < len(self.words) else ""

    def span(self, at: int) -> Span | None:
        """The known phrase that word `at` belongs to."""
        return self._span_at[at] if 0 <= at < len(self.words) else None

    def labels(self, at: int) -> frozenset[str]:
        """The labels of the known phrase that word `at` belongs to."""
        span = self.span(at)
        return span.labels if span else frozenset()

    def stop(self, at: int) -> int:
        """The word behind the known phrase of word `at`, or behind the word."""
        span = self.span(at)
        return span.stop if span else at + 1

    def noun(self, span: Span | None) -> Noun | None:
        """The noun of a person that a phrase is."""
        if span is None:
            return None
        phrase = " ".join(word.text for word in self.words[span.first : span.stop])
        return lexicon().nouns.get(phrase)

    def noun_labels(self, span: Span | None) -> frozenset[str]:
        """The headings of the noun of a person that a phrase is."""
        noun = self.noun(span)
        return noun.labels if noun else frozenset()

    def breaks(self, at: int) -> bool:
        """Whether punctuation stands before word `at`."""
        return 0 < at < len(self.words) and self.words[at].segment != self.words[at - 1].segment

    def opens(self, at: int) -> bool:
        """Whether a segment begins with word `at`."""
        return at == 0 or self.breaks(at)

    def is_alone(self, span: Span) -> bool:
        """Whether a phrase is a segment of its own."""
        closes = span.stop == len(self.words) or self.breaks(span.stop)
        return self.opens(span.first) and closes

    def gap(self, at: int) -> str:
        """What stands between word `at` and the one before it."""
        return self.prompt[self.words[at - 1].end : self.words[at].start] if at else ""

    def is_capital(self, at: int) -> bool:
        """Whether word `at` begins with a capital, and has small letters too."""
        word = self.prompt[self.words[at].start : self.words[at].end]
        return word[0].isupper() and not word.isupper()


def _words(prompt: str) -> list[Word]:
    quoted = [found.span() for found in QUOTED.finditer(prompt)]
    words: list[Word] = []
    segment, end, lettering, quotes = 0, 0, False, 0
    for found in WORD.finditer(prompt):
        gap = prompt[end : found.start()]
        title = gap == ". " and words and words[-1].text in (*ADDRESSED, "st")
        if words and BREAK.search(gap) and not title:
            segment, lettering = segment + 1, False
        while quotes < len(quoted) and quoted[quotes][1] <= found.start():
            quotes += 1
        in_quotes = quotes < len(quoted) and quoted[quotes][0] <= found.start()
        text = found[0].lower().replace("’", "'")
        words.append(Word(text, *found.span(), segment, in_quotes or lettering))
        reads = text in ("reads", "read") and len(words) > 1 and words[-2].text in ("that", "which")
        lettering = lettering or text in tables()["lettering"] or reads
        end = found.end()
    return words


def _spans(words: Sequence[Word]) -> list[Span]:
    known = lexicon()
    found, at = [], 0
    while at < len(words):
        phrase, best = "", None
        for stop in range(at + 1, min(at + LONGEST, len(words)) + 1):
            if words[stop - 1].segment != words[at].segment:
                break
            phrase = f"{phrase} {words[stop - 1].text}".lstrip()
            if labels := known.labels.get(phrase):
                best = Span(at, stop, labels)
            if phrase not in known.beginnings:
                break
        if best:
            found.append(best)
        at = best.stop if best else at + 1
    return found
