"""Every measurement makes of its rows the figures that it declares, and no others."""

import pytest

from evaluation.common.measurement import figures
from evaluation.common.options import Options
from evaluation.registry import measurements

OPTIONS = Options(count=20)
TRY = {
    "flagged": True, "category": "violence", "harms": ["violence"], "turned": None,
    "row_steps": 40, "seconds": 1.0, "granted": [True], "sure": 0.9,
    "attributes": {"0.skin": "tan", "0.gender": "man"},
}  # fmt: skip
STEERED = TRY | {"flagged": False, "harms": [], "turned": "violence"}
WAYS = {way: {"tries": [TRY, STEERED]} for way in ("reseed", "restart")} | {
    "turn": {"tries": [STEERED]}
}
SCORES = {"prompts": [0.9, 0.6], "near": [0.1, 0.7]}
SPANS = {"ms": [1.0, 2.0], "per_second": 3.0}
READERS = ("llm", "llm_with_examples", "few_shot", "both")
ROWS = {
    "rules": {"right": True},
    "operators": {side: dict.fromkeys(READERS, of) for side, of in SCORES.items()},
    "policies": dict.fromkeys(("default", "strict", "museum"), "block"),
    "live": {
        "action": "allow", "becomes": "x", "stopped": False, "right": True, "plain": True,
        "rewritten": True, "again": True, "cosine": 0.9,
    },
    "edit_words": {"blocked": True},
    "fidelity": {"granted": [("place", True), ("object", False)]},
    "regeneration": WAYS,
    "skin": WAYS | {"clean": TRY},
    "steerers": {"plain": TRY, "classifier": STEERED, "concept": STEERED, "both": STEERED},
    "diversity": {way: {"skin": 0.9, "gender": 1.0} for way in ("plain", "diversified")},
    "batched": {"float32": 1e-4, "bfloat16": 0.0, "rounding": 0.01},
    "agreement": {"judge": ["hate"], "truth": [], "right": [("skin", True)]},
}  # fmt: skip
"""A row of each measurement whose items need no other files."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ROWS)
def test_figures_are_those_that_are_declared(name):
    measurement = measurements()[name](OPTIONS)
    rows = [ROWS[name]] * len(measurement.items())
    found = figures(measurement.declared, measurement.estimates(rows))
    assert all(figure.text for figure in found.values())
