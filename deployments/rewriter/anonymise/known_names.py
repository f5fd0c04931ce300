"""Names that are nobody's private affair: of known people, figures, places, brands and sights."""

import re
import unicodedata
from pathlib import Path

from deployments.rewriter.tables import read

KNOWN_NAMES = Path(__file__).parent / "tables" / "known_names"
HONOURS = ("king", "queen", "saint", "st", "sir", "the", "young", "master", "captain", "professor")
"""Words before a known name that leave it known."""


def plain(name: str) -> str:
    """Small letters without accents, one space between words: the form in which names compare."""
    marks = unicodedata.normalize("NFKD", name.lower())
    letters = "".join(c for c in marks if not unicodedata.combining(c))
    return " ".join(re.findall(r"[^\W_]+", letters.replace("ł", "l").replace("ø", "o")))


class KnownNames:
    """The table of names that stay. A name of one word in it is known by itself."""

    LONGEST = 6
    """Words of the longest name that `places` finds."""

    def __init__(self, path: Path = KNOWN_NAMES) -> None:
        groups = read(path)
        self._names = {plain(name) for names in groups.values() for name in names} - {""}
        self._artists = {plain(name) for name in groups["artists"]}
        self._addresses = tuple(plain(address) for address in groups["addresses"])

    def __contains__(self, name: str) -> bool:
        """Whether a whole name is known, in either order, with or without an honour before it."""
        words = plain(name).split()
        while words:
            forms = (" ".join(words), " ".join(reversed(words)))
            if any(form in self._names for form in forms) or self._names.issuperset(words):
                return True
            if words[0] not in HONOURS:
                return False
            words = words[1:]
        return False

    def artist(self, name: str) -> bool:
        """Whether a name is a known artist's."""
        return plain(name) in self._artists

    def address(self, text: str) -> bool:
        """Whether an address is a sight rather than a home."""
        return plain(text).startswith(self._addresses)

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where known names of two or more words start and end in a text."""
        words = [(m.start(), m.end(), plain(m[0])) for m in re.finditer(r"[^\W_]+", text)]
        found = []
        for first in range(len(words)):
            joined = words[first][2]
            for last in range(first + 1, min(first + self.LONGEST, len(words))):
                joined += " " + words[last][2]
                if joined in self._names:
                    found.append((words[first][0], words[last][1]))
        return found
