"""The rule that no policy can change: a sexual cue together with a cue of a minor is blocked.

The cues stand in `tables/cues.yaml`: words for sex acts, nudity, undressing and arousal (not for
breastfeeding or swimwear), and words for minors. Ages are read here. One cue alone is nobody's
harm: a child at school, a nude statue. In the negative prompt, what counts is what the picture will
have because it is avoided: no clothes, no adults.
"""

import re
from collections.abc import Iterator

from deployments.guard.words.cues import AVOIDS_ADULTS, AVOIDS_CLOTHES, MINOR, SEXUAL
from deployments.guard.words.normalise import readings

ADULT_AGE = 18
UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
TEENS = (
    *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen"),
    *("eighteen", "nineteen"),
)
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
NUMBER = rf"\d{{1,4}}|(?:(?:{'|'.join(TENS)})[- ]?)?(?:{'|'.join(UNITS)})\b|{'|'.join(TEENS)}"
AGE = re.compile(
    rf"""(?<![\d.,])(?<!hundred\ and\ )\b(?:
      (?:age|aged|ages|age\ of|turn(?:s|ing|ed))[ :=]{{1,2}}(?P<aged>{NUMBER})\b
    | (?P<old>{NUMBER})[ -]?
        (?:(?:years?|yrs?|y)?[ -]?olds?|(?:years?|yrs?)\ of\ age|yr?s?[ ./]{{0,2}}o)\b
    | (?P<birthday>\d{{1,2}})(?:st|nd|rd|th)\ birthday
    )""",
    re.VERBOSE,
)
"""Ages of people and of things alike: a sexy advert for a 12-year-old whisky is in doubt."""
AVOIDED_ITEM = re.compile(r"[,;|\n.]+")
WEIGHT = re.compile(r"[()\[\]{}]|:[\d.]+")


def joins_minor_and_sexual(prompt: str, negative_prompt: str = "") -> bool:
    """Whether the request holds both cues, in any of its readings."""
    texts = [" ".join(text.split()) for text in readings(prompt)]
    avoided = _items(negative_prompt)
    return (any(map(SEXUAL.stand_in, texts)) or any(map(AVOIDS_CLOTHES.are, avoided))) and (
        any(map(_minor, texts)) or any(map(AVOIDS_ADULTS.are, avoided))
    )


def _minor(text: str) -> bool:
    return MINOR.stand_in(text) or any(age < ADULT_AGE for age in _ages(text))


def _ages(text: str) -> Iterator[int]:
    for found in AGE.finditer(text):
        yield _value(found["aged"] or found["old"] or found["birthday"])


def _value(number: str) -> int:
    """12 of `12` or `twelve`; of `twenty-one` the twenty tells enough."""
    if number.isdecimal():
        return int(number)
    if number in TEENS:
        return 10 + TEENS.index(number)
    for tens, word in enumerate(TENS, start=2):
        if number.startswith(word):
            return 10 * tens
    return 1 + UNITS.index(number)


def _items(negative_prompt: str) -> list[str]:
    """What the negative prompt lists, without its weights: `(clothes:1.3), blurry` gives two."""
    return [
        " ".join(WEIGHT.sub(" ", item).split())
        for text in readings(negative_prompt)
        for item in AVOIDED_ITEM.split(WEIGHT.sub(" ", text))
    ]
