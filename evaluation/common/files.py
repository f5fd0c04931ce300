"""Where evaluation's files lie, and the one way to read hand-written cases."""

import json
from pathlib import Path
from typing import Any

import yaml

from deployments.paths import ROOT

CASES = Path(__file__).parents[1] / "cases"
RESULTS = ROOT / "docs" / "measurements"
"""One JSON file for each measurement; README.md and docs/ are filled from them."""
CACHE = ROOT / ".cache" / "evaluation"
"""Finished shards of measurements under way."""
RUNS = ROOT / "runs"
"""What is written for the eye, and the results of trials."""


def rows(name: str) -> list[Any]:
    """The hand-written cases of a file in `CASES`: JSON lines, a list in YAML, or plain lines."""
    text = (CASES / name).read_text(encoding="utf-8")
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in text.splitlines()]
    return list(yaml.safe_load(text)) if name.endswith(".yaml") else text.splitlines()


def tables(name: str) -> dict[str, Any]:
    """The hand-written cases of a YAML file in `CASES` that has several named parts."""
    found: dict[str, Any] = yaml.safe_load((CASES / name).read_text(encoding="utf-8"))
    return found
