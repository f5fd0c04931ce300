"""Finds prompts that leave open what their people do: "Show two people having fun".

A prompt is vague when it shows people, says only an open activity of them, and nothing else that
would make the picture definite. One word that is not in the tables is enough to be specific.
"""

from functools import cache
from pathlib import Path

import yaml

from deployments.rewriter.people import Segmented, segmented, tables

TABLES = Path(__file__).with_name("vague.yaml")
MAX_WORDS = 16
MAX_SEGMENTS = 3
LONGEST = 5


@cache
def _tables() -> dict[str, frozenset[str]]:
    document = yaml.safe_load(TABLES.read_text(encoding="utf-8"))
    return {name: frozenset(phrases) for name, phrases in document.items()}


def vague(prompt: str) -> bool:
    """Whether `prompt` asks for people and leaves open what they do; never with children."""
    text = segmented(prompt)
    if not text.people or text.left_alone:
        return False
    if not 0 < len(text.words) <= MAX_WORDS or text.segments > MAX_SEGMENTS:
        return False
    return _is_open(text)


def _is_open(text: Segmented) -> bool:
    """Whether an open activity is said, and no word that tells more."""
    open_said, at = False, 0
    while at < len(text.words):
        size, is_open = _known(text.words, at)
        if at in text.people and not is_open:
            at = text.people[at]
            continue
        if not size:
            return False
        open_said |= is_open
        at += size
    return open_said


def _known(words: tuple[str, ...], at: int) -> tuple[int, bool]:
    """Length of the longest known phrase at `at` (0: none), and whether it is an open activity."""
    for size in range(min(LONGEST, len(words) - at), 0, -1):
        phrase = " ".join(words[at : at + size])
        if phrase in _tables()["open"] or phrase in _tables()["places"]:
            return size, True
        if phrase in _tables()["filler"] or _tells_nothing(phrase):
            return size, False
    return 0, False


def _tells_nothing(phrase: str) -> bool:
    """Whether it only describes people: "happy", "Brazilian"."""
    return any(phrase in tables()[name] for name in ("plain", "groups", "aged", "colours"))
