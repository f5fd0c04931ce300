"""What the words around a name say of it, as regular expressions over the table `words.txt`.

Patterns for what stands before a name end in `$`, patterns for what stands behind it begin with
`^`, or are matched at its end. `text_before` and `text_behind` give the text to apply them to.
"""

import re
from pathlib import Path

from deployments.rewriter.tables import pattern, read

_TABLE = Path(__file__).parent / "tables" / "words.txt"
_WORDS = {heading: pattern(entries) for heading, entries in read(_TABLE).items()}

BEFORE, BEHIND = 60, 40
"""Letters around a name in which its surroundings are looked for."""

RELATIONS = _WORDS["relations"]
TITLE = rf"(?:{_WORDS['titles']})\.?"
PRIVATE = re.compile(
    rf"\b(?:{_WORDS['private']}|(?:{_WORDS['owners']}) (?:\w+ )?(?:{_WORDS['homes']}))\b",
    re.IGNORECASE,
)
"""The prompt tells of a private matter."""
OWNED = re.compile(rf"^['’]s?\s+(?:\w+ )?(?:{_WORDS['owned']})\b", re.IGNORECASE)
TITLED = re.compile(rf"\b{TITLE}\s+$", re.IGNORECASE)
_OURS = rf"\b(?:my|our|his|her|their|your)\s+(?:[\w-]+\s+){{0,2}}(?:{RELATIONS})"
RELATED = re.compile(rf"{_OURS}\s*,?\s*$", re.IGNORECASE)
"""my old friend NAME"""
EXPLAINED = re.compile(rf"^\s*,\s*{_OURS}\b", re.IGNORECASE)
"""NAME, my old friend"""
FAMILY = re.compile(
    r"\s+(?:family|household|residence|wedding|brothers|sisters|couple|twins)\b", re.IGNORECASE
)
THE = re.compile(r"\bthe\s+$", re.IGNORECASE)
CALLED = re.compile(r"\b(?:named|called|by the name of)\s+$", re.IGNORECASE)
LEADS = re.compile(
    rf"(?:(?<![\w'’])(?:{_WORDS['leads']}):?|[©@#])"
    r"\s*(?:the |an? )?(?:artists? |great |famous |legendary )?[\"'“”(]*$",
    re.IGNORECASE,
)
"""The name is a credit, a role or a public office."""
NOT_LEADS = re.compile(
    r"\b(?:stand|sit|sitting|standing|stopped|stop|kissed|hugged|held|carried|followed|watched|owned|"
    r"surrounded|accompanied|seduced|attacked)\s+by\s+$",
    re.IGNORECASE,
)
_PAINTS = r"paintings? (?:her|his|their|the|an?|my|on|in|with)\b"
"""Here "painting" is what the person does."""
FOLLOWS = re.compile(
    rf"^(?:['’]s?\s+(?!{_PAINTS})(?:{_WORDS['works']})|[\s-]*(?:\(\d{{4}}\)\s*)?"
    rf"(?!{_PAINTS})(?:{_WORDS['works']}|{_WORDS['follows']}))\b",
    re.IGNORECASE,
)
"""The name is a style, a work, an institution, a breed or a dish."""
CHAIN = re.compile(r"^[\s,;&+/|x]*(?:and|&|with|by|\+)?[\s,;]*(?:by\s+|art by\s+)?$", re.IGNORECASE)
"""What may stand between two credits."""
LISTED = re.compile(r"\s*[,|;]\s*")
"""What stands between two tags."""


def text_before(text: str, start: int, letters: int = BEFORE) -> str:
    """The text before `start`, `letters` of it at most."""
    return text[max(start - letters, 0) : start]


def text_behind(text: str, end: int, letters: int = BEHIND) -> str:
    """The text behind `end`, `letters` of it at most."""
    return text[end : end + letters]
