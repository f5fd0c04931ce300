"""No figure of a document is typed: what stands there is what the measurements say."""

import json
import re
import shutil

import pytest

from deployments.paths import ROOT
from evaluation.common.files import RESULTS
from evaluation.common.measurement import Result
from evaluation.documents import Documents

FROM_THE_README = {
    "agreement",
    "anonymise_first_run",
    "batched",
    "bench",
    "classifier",
    "diversity",
    "edits",
    "fidelity",
    "guard",
    "live",
    "overload",
    "regeneration",
    "speed",
    "stack_cost",
    "steerers",
    "turn_move",
}
"""Measurements whose figures were moved from the README once, and that no command wrote. Each issue
shortens this list."""

FIGURE = {"value": 97.6, "low": 95.0, "high": 98.9, "n": 383, "unit": "%", "goal": "≥ 95 %"}
RESULT = {
    "name": "guard", "question": "Is it good?", "source": "command",
    "command": "python -m evaluation guard", "commit": "0123456789", "dirty": False,
    "date": "2026-11-30", "machine": {"cpu": "X", "cores": 2}, "seeds": {"seed": 0},
    "configuration": {"path": "configs/miniature.yaml", "sha256": "0"},
    "figures": {
        "found": FIGURE | {"text": "harm found"},
        "auc": {"value": 0.976, "low": None, "high": None, "n": None, "unit": "", "goal": None,
                "text": "area under ROC"},
        "twins": {"value": 484, "low": None, "high": None, "n": None, "unit": "", "goal": None,
                  "text": "twins"},
    },
}  # fmt: skip
TEXT = """# A document

The area is <!-- figure guard:auc -->?<!-- / -->, of <!-- figure guard:twins -->?<!-- / --> twins.

<!-- figures guard:found,auc -->
<!-- /figures -->

<!-- plot guard:found -->
<!-- /plot -->
"""


@pytest.fixture
def documents(tmp_path) -> Documents:
    """A repository with a README, one document and one measurement, filled."""
    results = tmp_path / "docs" / "measurements"
    results.mkdir(parents=True)
    (results / "guard.json").write_text(json.dumps(RESULT))
    for place in ("README.md", "docs/prompts.md"):
        (tmp_path / place).write_text(TEXT)
    made = Documents(tmp_path, results)
    assert made.fill()
    return made


def test_the_documents_say_what_the_measurements_say():
    assert Documents().differing() == []


def test_what_is_filled_in(documents, tmp_path):
    readme = (tmp_path / "README.md").read_text()
    assert "-->0.976<!-- / -->, of <!-- figure guard:twins -->484<!-- / --> twins" in readme
    assert "| harm found | 97.6 % (95.0 to 98.9) | 383 | ≥ 95 % |" in readme
    assert "![Is it good?](docs/measurements/plots/guard-found.svg)" in readme
    assert "](measurements/plots/guard-found.svg)" in (tmp_path / "docs/prompts.md").read_text()
    svg = (tmp_path / "docs/measurements/plots/guard-found.svg").read_text()
    assert "harm found" in svg


def test_filling_again_changes_nothing(documents):
    assert documents.differing() == []
    assert documents.fill() == []


@pytest.mark.parametrize(
    ("place", "typed", "instead"),
    [
        ("README.md", ">0.976<", ">0.986<"),
        ("docs/prompts.md", "97.6 % (95.0", "98.6 % (95.0"),
        ("docs/prompts.md", "95.0 to 98.9", "97.0 to 98.9"),
        ("docs/measurements/guard.json", "97.6", "99.6"),
        ("docs/measurements/plots/guard-found.svg", "97.6", "99.6"),
    ],
)
def test_a_figure_that_is_changed_by_hand_is_found(documents, tmp_path, place, typed, instead):
    text = (tmp_path / place).read_text()
    assert typed in text
    (tmp_path / place).write_text(text.replace(typed, instead))
    assert Documents(tmp_path, tmp_path / "docs" / "measurements").differing()


def test_a_figure_of_this_repository_that_is_changed_by_hand_is_found(tmp_path):
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png"))
    shutil.copy(ROOT / "README.md", tmp_path)
    copies = Documents(tmp_path, tmp_path / "docs" / "measurements")
    assert copies.differing() == []
    for path in copies.paths():
        for shown in re.finditer(r"<!-- figure [^>]+-->(.+?)<!-- / -->", path.read_text()):
            before = path.read_text()
            path.write_text(before[: shown.start(1)] + "77" + before[shown.end(1) :])
            assert copies.differing() == [path]
            path.write_text(before)


def test_a_marker_for_no_figure_is_refused(documents, tmp_path):
    (tmp_path / "README.md").write_text("<!-- figure guard:nothing -->1<!-- / -->")
    with pytest.raises(KeyError, match="no figure 'nothing'"):
        documents.differing()


def test_every_file_of_results_is_whole_and_those_from_the_readme_are_listed():
    found = [
        Result.model_validate_json(path.read_text(encoding="utf-8"))
        for path in sorted(RESULTS.glob("*.json"))
    ]
    assert {one.name for one in found if one.source == "README"} == FROM_THE_README
    assert [one.name for one in found if one.source == "command" and one.dirty] == []
