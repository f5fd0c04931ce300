"""Instructions of the world: what training teaches an edit model to understand."""

import pytest

from deployments.paths import ROOT
from deployments.policy import load_policy
from training.world.wording.instructions import HOLD, KEPT, keeping


def test_the_miniature_policy_asks_in_the_words_that_the_edit_model_was_trained_on():
    edits = load_policy(ROOT / "configs/policies/miniature.yaml").output.edits
    assert edits.held == KEPT
    assert edits.holding.format(instruction="{}", attributes="{}") == HOLD[0]


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["skin"], "smile, keep the skin tone"),
        (["skin", "build"], "smile, keep the skin tone and the build"),
        (
            ["gender", "hair_colour", "hair_style"],
            "smile, keep the gender, the hair colour and the hairstyle",
        ),
    ],
)
def test_what_must_stay_is_listed(names, text):
    assert keeping("smile", names, "{}, keep {}") == text
