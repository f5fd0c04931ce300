"""Says which prompts are left alone: of their people, nothing may be said that they do not say."""

import re

from deployments.rewriter.diversify.reading import ADDRESSED, Reading

ADULT_AGE = 18
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


def why_left_alone(reading: Reading) -> str:
    """What leaves the whole prompt alone: "children", "setting", "insulting" or "named"; or ""."""
    text = " ".join(word.text for word in reading.words)
    if _tells_of_children(reading, text):
        return "children"
    if PERIOD.search(text) or any("settings" in span.labels for span in reading.spans):
        return "setting"
    if any("insults_any_group" in span.labels for span in reading.spans):
        return "insulting"
    return "named" if _names_someone(reading) else ""


def _tells_of_children(reading: Reading, text: str) -> bool:
    if any("children" in s.labels and "not_children" not in s.labels for s in reading.spans):
        return True
    if TAGGED_CHILD.search(text):
        return True
    return any(
        age["named"] or age["young"] or int(age["aged"] or age["old"]) < ADULT_AGE
        for age in AGE.finditer(text)
    )


def _names_someone(reading: Reading) -> bool:
    title_case = _is_title_case(reading)
    for at, word in enumerate(reading.words):
        labels = reading.labels(at)
        shown = at < reading.makers_from
        if "famous" in labels and shown:
            return True
        if "named" in labels and "noun" in reading.labels(at - 1):
            return True
        if _is_holder_of_office(reading, at):
            return True
        if shown and not word.silent and _is_name(reading, at, title_case):
            return True
    return False


def _is_title_case(reading: Reading) -> bool:
    """Whether most words have a large first letter, so that it tells nothing."""
    first = [reading.prompt[word.start] for word in reading.words]
    letters = [letter for letter in first if letter.isalpha()]
    return sum(map(str.isupper, letters)) > max(1, len(letters) // 2)


def _is_holder_of_office(reading: Reading, at: int) -> bool:
    """Whether an office begins at word `at` that one person holds: not "a president"."""
    span = reading.span(at)
    noun = reading.noun(span)
    if span is None or noun is None or span.first != at or "offices" not in noun.labels:
        return False
    return not noun.plural and reading.word(at - 1) not in ("a", "an", "another")


def _is_name(reading: Reading, at: int, title_case: bool) -> bool:
    before, labels = reading.word(at - 1), reading.labels(at)
    if before in ADDRESSED and reading.gap(at) in (" ", ". "):
        return True
    placed = "elsewhere" in reading.labels(at - 1) and not reading.breaks(at)
    if "given_names" in labels:
        return (reading.is_capital(at) or reading.prompt.islower()) and not placed
    if not reading.is_capital(at) or title_case or labels:
        return False
    if not reading.breaks(at) and reading.labels(at - 1) & {"noun", "titles"}:
        return True
    follows = at + 1 < len(reading.words) and not reading.breaks(at + 1)
    two = follows and reading.is_capital(at + 1) and not reading.labels(at + 1)
    opens = reading.opens(at) or before in ("of", "with", "and", "or")
    return two and (opens or reading.word(at + 2) == "as") and not placed
