"""The golden files: how a case is made short, written and read."""

import hashlib
import json
from pathlib import Path
from typing import Any

from tests.inference.golden import questions, states
from tests.inference.golden.texts import TEXTS

FOLDER = Path(__file__).parent
WHOLE = {
    "scene 7": ("rewriter", "rewriter instruct", "classifier"),
    "quotation ends": ("guard edit", "guard both"),
    "Qwen thinks": ("llama guard", "qwen3 guard", "vision"),
    "SmolLM2 turn": ("guard generate",),
}
"""Cases of which all ids are kept, so that a diff shows what changed: text -> forms."""


def digest(windows: list[list[int]]) -> str:
    """8 hexadecimal letters of the SHA-256 of all windows' ids."""
    return hashlib.sha256(json.dumps(windows).encode()).hexdigest()[:8]


def made() -> dict[str, dict[str, Any]]:
    """What the code gives now: file -> text or form -> the case."""
    forms, uses = questions.forms(), states.uses()
    ids = {name: {form: f(text) for form, f in forms.items()} for name, text in TEXTS.items()}
    ids["the default policy"] = questions.of_default_policy()
    return {
        "ids": {n: {form: digest(w) for form, w in row.items()} for n, row in ids.items()},
        "whole": {f"{n} / {form}": ids[n][form] for n, row in WHOLE.items() for form in row},
        "states": {n: {use: f(text) for use, f in uses.items()} for n, text in TEXTS.items()},
    }


def read() -> dict[str, dict[str, Any]]:
    """What was written last."""
    return {
        name: json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("ids", "whole", "states")
    }


def write(golden: dict[str, dict[str, Any]]) -> None:
    """One case a line, so that a diff names what changed."""
    for name, cases in golden.items():
        lines = [f"{json.dumps(key)}: {json.dumps(case)}" for key, case in cases.items()]
        (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
