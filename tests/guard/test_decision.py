"""From score tables to actions."""

import pytest

from deployments.guard.decision import UNKNOWN, decide
from tests.guard.parts import POLICY


def action(
    table: dict[str, float], operation: str = "generate", loosen: bool = False
) -> tuple[str, str | None]:
    decision = decide([table], POLICY, operation, loosen)
    return decision.action, decision.category


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({}, ("allow", "violence")),
        ({"violence": 0.34}, ("allow", "violence")),
        ({"violence": 0.35}, ("steer", "violence")),
        ({"violence": 0.5}, ("block", "violence")),
        ({"demeaning": 0.49}, ("steer", "demeaning")),
        ({"demeaning": 0.5}, ("rewrite", "demeaning")),
        ({"brands": 1.0}, ("allow", "violence")),
        ({"violence": 0.51, "demeaning": 0.9}, ("rewrite", "demeaning")),
        ({"violence": 0.9, "demeaning": 0.51}, ("block", "violence")),
        ({"violence": 0.9, "demeaning": 0.9}, ("block", "violence")),
        ({"violence": 0.4, "demeaning": 0.6}, ("rewrite", "demeaning")),
        ({UNKNOWN: 0.34}, ("allow", "violence")),
        ({UNKNOWN: 0.4}, ("steer", None)),
        ({UNKNOWN: 0.5}, ("block", None)),
    ],
)
def test_a_score_acts_from_its_threshold_on(table, expected):
    assert action(table) == expected


def test_every_category_is_scored_and_rewrite_names_its_kind():
    decision = decide([{"demeaning": 0.7}], POLICY, "generate", False)
    assert decision.scores == {"violence": 0, "demeaning": 0.7, "undressing": 0, "brands": 0}
    assert (decision.score, decision.rewrite) == (0.7, "soften")
    assert decide([{"violence": 0.7}], POLICY, "generate", False).rewrite is None


@pytest.mark.parametrize(("score", "expected"), [(0.6, "steer"), (0.7, "block"), (0.1, "allow")])
def test_low_moderation_loosens_the_action_only(score, expected):
    assert action({"violence": score}, loosen=True) == (expected, "violence")


def test_a_category_acts_only_in_its_operations():
    assert action({"undressing": 0.9})[0] == "allow"
    assert action({"undressing": 0.9}, operation="edit") == ("block", "undressing")


def test_harm_spread_over_categories_does_not_slip_between_them():
    decision = decide([{"violence": 0.31, "demeaning": 0.3}], POLICY, "generate", False)
    assert (decision.action, decision.category) == ("block", "violence")
    assert decision.score == decision.scores["violence"] == pytest.approx(0.61)
    assert decision.scores["demeaning"] == 0.3
    assert action({"violence": 0.2, "demeaning": 0.2}) == ("steer", "violence")


def test_what_does_not_act_adds_nothing_to_the_spread():
    assert action({"violence": 0.3, "brands": 0.6})[0] == "allow"
    assert action({"violence": 0.3, "undressing": 0.6})[0] == "allow"


def test_the_worst_piece_decides_and_pieces_are_not_added_up():
    pieces = [{"violence": 0.3}, {"demeaning": 0.3}, {"violence": 0.1}]
    assert decide(pieces, POLICY, "generate", False).action == "allow"
    assert decide([*pieces, {"violence": 0.8}], POLICY, "generate", False).action == "block"


def test_a_categorys_own_thresholds_replace_the_policys():
    strict = POLICY.model_validate(
        {
            **POLICY.model_dump(),
            "categories": {
                **POLICY.model_dump()["categories"],
                "violence": {
                    **POLICY.model_dump()["categories"]["violence"],
                    "thresholds": {"steer": 0.1, "act": 0.2, "act_low": 0.9},
                },
            },
        }
    )
    assert decide([{"violence": 0.2}], strict, "generate", False).action == "block"
    assert decide([{"violence": 0.2}], strict, "generate", True).action == "steer"


def test_a_policy_that_acts_on_nothing_allows_everything():
    brands = POLICY.model_copy(update={"categories": {"brands": POLICY.categories["brands"]}})
    decision = decide([{"brands": 1.0, UNKNOWN: 1.0}], brands, "generate", False)
    assert (decision.action, decision.category, decision.score) == ("allow", None, 0.0)
