"""Decides which prompts are left alone: nothing is added to what they say of their people."""

import re

from deployments.rewriter.diversify.parsed_prompt import ADDRESSED, ParsedPrompt
from deployments.rewriter.numbers import NUMBER_WORDS

ADULT_AGE = 18
AGE = re.compile(
    r"\b(?:(?:age|aged)[ :]{1,2}(?P<aged>\d{1,3})\b"
    r"|(?P<old>\d{1,3})[ -]?(?:years?|yrs?|y)[ -]?(?:olds?|o)\b"
    rf"|(?P<named>{'|'.join(NUMBER_WORDS[1:ADULT_AGE])})[ -](?:years?|months?)[ -]olds?\b"
    r"|(?P<young>\d{1,2})(?:st|nd|rd|th)[ -]grade)"
)
TAGGED_CHILD = re.compile(r"\b\d+(?:girl|boy)s?\b")
PERIOD = re.compile(
    r"\b1(?:[0-8]\d|9[0-4])\ds\b|\b(?:in|from|of|year|circa|since|anno) 1(?:[0-8]\d|9[0-4])\d\b"
    r"|\b(?:\d|1\d)(?:st|nd|rd|th) century\b|\b1(?:[0-8]\d|9[0-4])\d year\b"
)
"""Times of which readers know what people looked like."""


def why_left_alone(parsed: ParsedPrompt) -> str:
    """Why a whole prompt is left alone: "children", "setting", "insulting" or "named"; "" if it is
    not."""
    text = " ".join(word.text for word in parsed.words)
    if _tells_of_children(parsed, text):
        return "children"
    if PERIOD.search(text) or any("settings" in span.labels for span in parsed.spans):
        return "setting"
    if any("insults_any_group" in span.labels for span in parsed.spans):
        return "insulting"
    return "named" if _names_someone(parsed) else ""


def _tells_of_children(parsed: ParsedPrompt, text: str) -> bool:
    if any("children" in s.labels and "not_children" not in s.labels for s in parsed.spans):
        return True
    if TAGGED_CHILD.search(text):
        return True
    return any(
        age["named"] or age["young"] or int(age["aged"] or age["old"]) < ADULT_AGE
        for age in AGE.finditer(text)
    )


def _names_someone(parsed: ParsedPrompt) -> bool:
    title_case = _is_title_case(parsed)
    for at, word in enumerate(parsed.words):
        labels = parsed.labels(at)
        shown = at < parsed.makers_from
        if "famous" in labels and shown:
            return True
        if "named" in labels and "noun" in parsed.labels(at - 1):
            return True
        if _is_holder_of_office(parsed, at):
            return True
        if shown and not word.silent and _is_name(parsed, at, title_case):
            return True
    return False


def _is_title_case(parsed: ParsedPrompt) -> bool:
    """Whether most words begin with a capital, so that a capital says nothing of a word."""
    first = [parsed.prompt[word.start] for word in parsed.words]
    letters = [letter for letter in first if letter.isalpha()]
    return sum(map(str.isupper, letters)) > max(1, len(letters) // 2)


def _is_holder_of_office(parsed: ParsedPrompt, at: int) -> bool:
    """Whether the office at word `at` names its one holder: "the president", not "a president"."""
    span = parsed.span(at)
    noun = parsed.noun(span)
    if span is None or noun is None or span.first != at or "offices" not in noun.labels:
        return False
    return not noun.plural and parsed.word(at - 1) not in ("a", "an", "another")


def _is_name(parsed: ParsedPrompt, at: int, title_case: bool) -> bool:
    before, labels = parsed.word(at - 1), parsed.labels(at)
    if before in ADDRESSED and parsed.gap(at) in (" ", ". "):
        return True
    placed = "elsewhere" in parsed.labels(at - 1) and not parsed.breaks(at)
    if "given_names" in labels:
        return (parsed.is_capital(at) or parsed.prompt.islower()) and not placed
    if not parsed.is_capital(at) or title_case or labels:
        return False
    if not parsed.breaks(at) and parsed.labels(at - 1) & {"noun", "titles"}:
        return True
    follows = at + 1 < len(parsed.words) and not parsed.breaks(at + 1)
    two = follows and parsed.is_capital(at + 1) and not parsed.labels(at + 1)
    opens = parsed.opens(at) or before in ("of", "with", "and", "or")
    return two and (opens or parsed.word(at + 2) == "as") and not placed
