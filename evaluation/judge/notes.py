"""The judge's readings as JSON rows, and back."""

from collections.abc import Sequence
from typing import Any

from evaluation.common.service import Attempt, pixels
from training.judge.model import Judge, Reading


def noted(reading: Reading) -> dict[str, Any]:
    """A reading as JSON."""
    return {
        "attributes": dict(reading.attributes),
        "sure": {name: round(value, 4) for name, value in reading.sure.items()},
        "harms": sorted(reading.harms),
    }


def recalled(row: dict[str, Any]) -> Reading:
    """The reading that was noted, without its scores."""
    return Reading(row["attributes"], row["sure"], frozenset(row["harms"]), {})


def read(judge: Judge, attempts: Sequence[Attempt], text: str) -> list[Reading]:
    """The judge on pictures that were made for the same words; no pictures, no readings."""
    return judge.read(pixels(attempts), [text] * len(attempts)) if attempts else []
