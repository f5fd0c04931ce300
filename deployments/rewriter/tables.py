"""Reads the tables of words: text files with one entry a line, sorted under headings.

# A comment.
[heading]
an entry
another entry
"""

import re
from collections.abc import Iterable
from pathlib import Path

HEADING = re.compile(r"\[(\w+)\]")
ANY = "ANY"
"""In an entry: any one word."""


def read(path: Path) -> dict[str, tuple[str, ...]]:
    """Heading -> entries, of a file or of all `.txt` files of a folder.

    Raises:
        ValueError: an entry has no heading, or a heading occurs twice.
    """
    tables: dict[str, list[str]] = {}
    for file in sorted(path.glob("*.txt")) if path.is_dir() else [path]:
        entries: list[str] | None = None
        for line in file.read_text(encoding="utf-8").splitlines():
            if heading := HEADING.fullmatch(line):
                if heading[1] in tables:
                    raise ValueError(f"{file}: the heading {heading[1]!r} occurs twice")
                entries = tables[heading[1]] = []
            elif line and not line.startswith("#"):
                if entries is None:
                    raise ValueError(f"{file}: {line!r} has no heading")
                entries.append(line)
    return {heading: tuple(entries) for heading, entries in tables.items()}


def by_key(entries: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Key -> words, of entries of the form "key: word, word"."""
    pairs = (entry.split(": ", 1) for entry in entries)
    return {key: tuple(words.split(", ")) for key, words in pairs}


def pattern(entries: Iterable[str]) -> str:
    """A regular expression, without a group around it, that matches any of the entries.

    In an entry ANY is one word, `*` is any letters, and an apostrophe may be typed or curly.
    """
    written = {"*": r"\w*", "'": "['’]", ANY: r"\w+"}
    return "|".join(
        "".join(written.get(part) or re.escape(part) for part in re.split(rf"({ANY}|[*'])", entry))
        for entry in entries
    )
