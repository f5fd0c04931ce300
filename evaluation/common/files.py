"""Where the hand-written cases lie."""

from pathlib import Path

CASES = Path(__file__).parents[1] / "cases"
