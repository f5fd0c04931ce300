"""Text as a reader sees it: the many ways to spell a letter become the letter.

`normalise` undoes what Unicode hides: compatibility forms, invisible characters, combining marks,
letters of other scripts that look Latin. `readings` adds what people do by hand: letters apart, and
digits or symbols for letters. Both are linear in the length of the text.
"""

import re
import unicodedata
from functools import lru_cache

LOOKALIKES = str.maketrans(
    # Cyrillic, Greek and Armenian letters that are drawn as the Latin letter below them.
    "АВЕЅІЈКМНОРСТУХЬаеѕіјкморсухһԁԛԝүΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχօսհո",
    "ABESIJKMHOPCTYXbaesijkmopcyxhdqwyABEZHIKMNOPTYXaikvoptuxouhn",
)
LATIN_NAME = re.compile(r"\bLATIN (?:.* )?(?:LETTER|CAPITAL) ([A-Z])(?: WITH .*)?$")
"""Names of small capitals, squared letters and letters with strokes: `ᴀ`, `🅰`, `ø`."""

SYMBOLS = str.maketrans("01345789@$!|+€", "oieastbgasiite")
"""Digits and symbols that stand for letters inside words."""
WORD = re.compile(r"\S+")
PART = re.compile(r"[^\s\-/]+")
"""What is spelt as one word: in `12-year-old` the number stands apart."""
APART = re.compile(r"(?<!\S)[^\W_](?:[ .\-_*][^\W_]){2,}(?!\S)")
"""Three or more single characters with one separator between each two: `s u i c i d e`."""
QUANTITY = re.compile(
    r"\W*\d+(?:[.,:x]\d+)*(?:st|nd|rd|th|s|x|d|k|m|p|yo|yr|mm|cm|km|kg|px|am|pm|girls?|boys?)?\W*"
    r"|\W*[a-z]\d{1,3}(?:\.\d+)?\W*"
)
"""Numbers with or without a unit, and letters with a number (`35mm`, `4k`, `f8`): no words."""


def normalise(text: str) -> str:
    """The text without disguise, in its own case; words of other scripts stay as they are."""
    decomposed = unicodedata.normalize("NFKD", text)
    seen = "".join(_latin(c) for c in decomposed if not _invisible(c))
    return WORD.sub(lambda word: _unmixed(word[0]), unicodedata.normalize("NFC", seen))


def readings(text: str) -> tuple[str, ...]:
    """The normalised text in lower case, and, where it differs, what its spelling stands for."""
    plain = normalise(text).lower()
    joined = APART.sub(lambda run: re.sub(r"[ .\-_*]", "", run[0]), plain)
    spelt = PART.sub(lambda word: _spelt(word[0]), joined)
    return (plain,) if spelt == plain else (plain, spelt)


def _invisible(c: str) -> bool:
    # Cf: zero-width and direction marks; Mn, Me: combining marks; Cc: control characters.
    category = unicodedata.category(c)
    return category in ("Cf", "Mn", "Me") or (category == "Cc" and not c.isspace())


@lru_cache(maxsize=4096)
def _latin(c: str) -> str:
    if c.isascii():
        return c
    found = LATIN_NAME.search(unicodedata.name(c, ""))
    if not found:
        return c
    return found[1].lower() if c.islower() or "SMALL" in unicodedata.name(c) else found[1]


def _unmixed(word: str) -> str:
    """The word in Latin letters if all its letters are Latin or look so."""
    if word.isascii():
        return word
    latin = word.translate(LOOKALIKES)
    return latin if all(c.isascii() or not c.isalpha() for c in latin) else word


def _spelt(word: str) -> str:
    if word.isalpha() or not any(c.isalpha() for c in word) or QUANTITY.fullmatch(word):
        return word
    head, core, tail = _bare(word)
    return head + core.translate(SYMBOLS) + tail


def _bare(word: str) -> tuple[str, str, str]:
    """The word without the punctuation around it: an exclamation mark at the end is no `i`."""
    core = word.strip("!|+,.;:?()[]{}\"'")
    start = word.find(core)
    return word[:start], core, word[start + len(core) :]
