"""Mistakes in policy files, with file and line, and the words in which they are told."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SHOWN = 60
"""Characters of a wrong value that a message quotes."""


@dataclass(frozen=True)
class Place:
    """A line of a file, counted from 1; None: the file as a whole."""

    file: Path
    line: int | None = None

    def __str__(self) -> str:
        return str(self.file) if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True)
class Mistake:
    """What is wrong at a place, or looks wrong: the latter is only a warning."""

    place: Place
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


def suggestion(word: Any, known: Iterable[str]) -> str:
    """A half-sentence that names what was probably meant, or what there is."""
    known = list(known)
    if close := difflib.get_close_matches(str(word), known, n=1):
        return f"; did you mean `{close[0]}`?"
    return f"; there are {', '.join(known)}"


def quoted(value: Any) -> str:
    """A wrong value, cut where it is long."""
    text = repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
