"""Prompts that users of such guards have reported, with the answer that was right."""

import json
from pathlib import Path

import pytest

FIELD_CASES = Path(__file__).with_name("field_cases.jsonl")


@pytest.fixture(scope="session")
def benign_cases() -> list[str]:
    rows = [json.loads(line) for line in FIELD_CASES.read_text(encoding="utf-8").splitlines()]
    return [row["input"] for row in rows if row["expect"] == "allow"]
