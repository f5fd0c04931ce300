"""Text as a reader sees it: every way to spell a letter becomes the letter.

`normalise` undoes what Unicode hides: compatibility forms, invisible characters, combining marks,
letters of other scripts that look Latin. `readings` adds what people do by hand: letters apart,
repeated or drawn with strokes, and digits or symbols for letters. `letters` says which letters one
character may stand for. All are linear in the length of the text.
"""

import re
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files

from confusable_homoglyphs import confusables

LOOKALIKES = str.maketrans(
    # Cyrillic, Greek and Armenian letters that are drawn as the Latin letter below them.
    "АВЕЅІЈКМНОРСТУХЬаеѕіјкморсухһԁԛԝүΑΒΕΖΗΙΚΜΝΟΡΤΥΧαικνορτυχօսհո",
    "ABESIJKMHOPCTYXbaesijkmopcyxhdqwyABEZHIKMNOPTYXaikvoptuxouhn",
)
ROUGHLY = {
    # Drawn less closely; tables of confusables lack them, or have a worse letter.
    "ӏ": "li", "в": "b", "г": "r", "з": "e", "и": "nu", "л": "n", "н": "hn", "п": "n", "т": "t",
    "ц": "u", "ч": "y", "ш": "w", "щ": "w", "ь": "b", "я": "r", "α": "a", "β": "b", "γ": "y",
    "δ": "d", "ε": "e", "η": "n", "ι": "i", "κ": "k", "λ": "a", "μ": "u", "π": "n", "σ": "o",
    "τ": "t", "ω": "w", "ß": "bs", "þ": "p", "ð": "d", "∂": "d", "∑": "e", "ʃ": "s", "ƨ": "s",
    "ɛ": "e", "ժ": "d", "ց": "g", "ҽ": "e", "ҁ": "c", "ꮷ": "d", "ɩ": "i", "乃": "b", "匚": "c",
    "口": "o", "丨": "i", "几": "n", "卩": "p", "尺": "r", "丂": "s", "凵": "u", "卄": "h",
    "千": "f", "山": "w",
}  # fmt: skip
LATIN_NAME = re.compile(
    r"\b(?:LATIN (?:.* )?(?:LETTER|CAPITAL)|REGIONAL INDICATOR SYMBOL LETTER)"
    r" (?:(?:TURNED|REVERSED|SIDEWAYS|SCRIPT|OPEN|CLOSED|DOTLESS|INSULAR|LONG) )?([A-Z])"
    r"(?: WITH .*)?$"
)
"""Names of small capitals, squared, turned and flag letters, and letters with strokes: `ᴀ`, `ø`."""
BLANKS = frozenset("\u115f\u1160\u3164\u2800")
"""Letters and symbols by category that show nothing."""

SYMBOLS = str.maketrans("01345789@$!|+€£¢¥", "oieastbgasiitelcy")
"""Digits and symbols that stand for letters inside words."""
OTHER_DIALECT = str.maketrans("1!|6", "lllg")
STANDS_FOR = {
    "0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "gb", "7": "t", "8": "b",
    "9": "gq", "@": "a", "$": "s", "€": "e", "£": "le", "¢": "c", "¥": "y", "§": "s",
    "!": "il", "|": "il", "+": "t", "(": "c", "<": "c", "{": "c",
}  # fmt: skip
"""All letters that a digit or a symbol may stand for."""
ORNAMENTAL = ("LATIN", "CHEROKEE", "LISU", "COPTIC", "CANADIAN", "OLD ITALIC", "DESERET", "CARIAN")
"""Scripts whose letters people use for their looks."""
STROKES = (
    (r"\/\/", "w"), (r"|\/|", "m"), (r"|\|", "n"), ("|_|", "u"), ("|-|", "h"), ("|)", "d"),
    ("|>", "p"), ("|<", "k"), ("/\\", "a"), ("\\/", "v"), ("()", "o"),
)  # fmt: skip
DRAWN = re.compile("|".join(re.escape(strokes) for strokes, _ in STROKES))
WORD = re.compile(r"\S+")
PART = re.compile(r"[^\s\-/,;:]+")
"""A piece that is spelt as one word: in `12-year-old` and `style,8k` the number is its own."""
APART = re.compile(
    r"(?<![^\W_])[^\W_](?:([\W_])[^\W_](?:\1[^\W_])+|([\W_]{2,3})[^\W_](?:\2[^\W_])+)(?![^\W_])"
)
"""Three or more single characters with the same separator between each two: `s u i c i d e`."""
LETTERS = re.compile(r"[a-z]+")
RUN = re.compile(r"([a-z])\1\1+")
QUANTITY = re.compile(
    r"\W*\d+(?:[.,:x]\d+)*(?:st|nd|rd|th|s|x|d|k|m|p|yo|yr|mm|cm|km|kg|px|am|pm|girls?|boys?)?\W*"
    r"|\W*\d{2,}'?[a-z]{1,3}\W*"
    r"|\W*(?:[a-z]\d{1,3}|[a-z]{3,}\d{2,}|[a-z]+\d{3,})(?:\.\d+)?\W*"
)
"""Numbers with or without a unit, and names with a number (`35mm`, `4k`, `f8`, `iso200`)."""


def normalise(text: str) -> str:
    """The text without disguise, in its own case; words of other scripts stay as they are."""
    seen = []
    caseless = False
    for c in unicodedata.normalize("NFKD", text):
        category = unicodedata.category(c)
        if category == "Mn":
            # Vowel signs and tones are part of Hindi or Thai words; over Latin they are noise.
            if caseless:
                seen.append(c)
            continue
        if category in ("Cf", "Me") or (category == "Cc" and not c.isspace()) or c in BLANKS:
            continue
        caseless = category in ("Lo", "Mc")
        seen.append(_latin(c))
    return WORD.sub(lambda word: _unmixed(word[0]), unicodedata.normalize("NFC", "".join(seen)))


def readings(text: str) -> tuple[str, ...]:
    """The normalised text in lower case, and, where it differs, what its spelling stands for."""
    plain = normalise(text).lower()
    drawn = WORD.sub(lambda word: _undrawn(word[0]), plain)
    joined = APART.sub(lambda run: _joined(run[0]), drawn)
    spelt = PART.sub(lambda word: _spelt(word[0]), joined)
    spelt = LETTERS.sub(lambda word: _shortened(word[0]), spelt)
    return (plain,) if spelt == plain else (plain, spelt)


@lru_cache(maxsize=65536)
def letters(c: str) -> str:
    """The lower-case Latin letters that one lower-case character of a word may stand for."""
    if c.isascii():
        return c if c.isalpha() else STANDS_FOR.get(c, "")
    return STANDS_FOR.get(c) or _alike(c)


@cache
def known_words() -> frozenset[str]:
    """Some 83,000 English words, from SymSpell's list."""
    listed = files("symspellpy").joinpath("frequency_dictionary_en_82_765.txt")
    return frozenset(line.split(" ")[0] for line in listed.read_text("utf-8-sig").splitlines())


@lru_cache(maxsize=65536)
def _latin(c: str) -> str:
    if c.isascii():
        return c
    found = LATIN_NAME.search(unicodedata.name(c, ""))
    if not found:
        return c
    return found[1].lower() if c.islower() or "SMALL" in unicodedata.name(c) else found[1]


@lru_cache(maxsize=65536)
def _alike(c: str) -> str:
    """The lower-case Latin letters that another letter may be taken for, the likeliest first."""
    close = c.translate(LOOKALIKES)
    if close.isascii():
        return close.lower()
    shapes = confusables.is_confusable(c, greedy=True) or []
    twins = [twin["c"] for shape in shapes for twin in shape["homoglyphs"]]
    found = [_latin(twin).lower() for twin in twins if len(twin) == 1]
    listed = [c for c in found if c.isascii() and c.isalpha()]
    return "".join(dict.fromkeys((*ROUGHLY.get(c.lower(), ""), *listed)))


def _unmixed(word: str) -> str:
    """The word in Latin letters if it mixes them with letters that look so, or all its letters do.

    Whole words of scripts that people write prompts in have to look exactly Latin.
    """
    if word.isascii():
        return word
    mixed = any(c.isascii() and c.isalpha() for c in word)
    found = "".join(c if c.isascii() else _as_latin(c, mixed) for c in word)
    if mixed or all(c.isascii() or not c.isalpha() for c in found):
        return found
    return word


def _as_latin(c: str, mixed: bool) -> str:
    close = c.translate(LOOKALIKES)
    if close.isascii() or not c.isalpha():
        return close
    if not _ornamental(c) and (not mixed or unicodedata.category(c) == "Lo"):
        return c
    likeliest = _alike(c)[:1] or c
    return likeliest.upper() if c.isupper() else likeliest


def _ornamental(c: str) -> bool:
    return unicodedata.name(c, "").startswith(ORNAMENTAL)


def _undrawn(word: str) -> str:
    """The word with letters for strokes: `|\\|` is an n."""
    if word.isalnum() or not any(c.isalpha() for c in word):
        return word
    return DRAWN.sub(lambda strokes: dict(STROKES)[strokes[0]], word)


def _joined(run: str) -> str:
    """The run of single characters as one word; numbers stay apart, as in `a 3 d film`."""
    word = "".join(c for c in run if c.isalnum())
    return (
        run if not word.isalpha() and (len(word) < 4 or sum(map(str.isalpha, word)) < 2) else word
    )


def _shortened(word: str) -> str:
    """The word with two of a letter that stands there more often if that makes a word, else one."""
    if not RUN.search(word) or RUN.fullmatch(word):
        return word
    twice = RUN.sub(r"\1\1", word)
    return twice if twice in known_words() else RUN.sub(r"\1", word)


def _spelt(word: str) -> str:
    if word.isalpha() or not any(c.isalpha() for c in word) or QUANTITY.fullmatch(word):
        return word
    head, core, tail = _bare(word)
    other = core.translate(OTHER_DIALECT).translate(SYMBOLS)
    return head + (other if other in known_words() else core.translate(SYMBOLS)) + tail


def _bare(word: str) -> tuple[str, str, str]:
    """The word without the punctuation around it: an exclamation mark at the end is no `i`."""
    core = word.strip("!|+<,.;:?()[]{}\"'")
    start = word.find(core)
    return word[:start], core, word[start + len(core) :]
