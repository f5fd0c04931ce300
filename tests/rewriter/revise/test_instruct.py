"""What an instruct model is told to do, by what is due."""

import json

import pytest

from deployments.rewriter.revise.instruct import (
    IF_OPEN,
    NOT_SOFTENED,
    NOT_SPECIFIC,
    SOFTENED,
    SPECIFIC,
    instructions,
    parsed,
)
from tests.guard.parts import POLICY

DEMEANING = POLICY.categories["demeaning"]


@pytest.mark.parametrize(
    ("kind", "ground", "vague", "softened", "specific"),
    [
        (None, True, True, NOT_SOFTENED, SPECIFIC),
        ("soften", False, True, SOFTENED["soften"], NOT_SPECIFIC),
        ("soften", True, False, SOFTENED["soften"], IF_OPEN),
        ("generic", True, True, SOFTENED["generic"], SPECIFIC),
    ],
)
def test_the_model_is_told_of_both_parts_of_its_answer(kind, ground, vague, softened, specific):
    told = instructions(kind, DEMEANING if kind else None, ground=ground, vague=vague)
    assert told.split("\n")[-2:] == [softened, specific]
    assert (DEMEANING.why in told) == (kind is not None)


WHOLE = {"harmless_core": True, "softened": "a man", "specific": ""}


def test_a_whole_answer_is_read():
    answer = parsed(json.dumps(WHOLE))
    assert answer is not None
    assert (answer.harmless_core, answer.softened, answer.specific) == (True, "a man", "")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        "",
        "a man",
        json.dumps(WHOLE)[:-1],
        json.dumps(WHOLE) + "!",
        json.dumps(WHOLE | {"harmless_core": "yes"}),
        json.dumps(WHOLE | {"note": "more"}),
        json.dumps({"harmless_core": True}),
        json.dumps([WHOLE]),
    ],
)
def test_any_other_answer_is_none(answer: str | None):
    assert parsed(answer) is None
