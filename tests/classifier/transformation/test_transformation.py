"""Edits: what the pictures show, what the words ask for, and what follows from both."""

import math

import pytest
import torch

from deployments.classifier.classifier import Classifier
from deployments.classifier.loading import Models
from deployments.classifier.transformation.model import (
    TransformationConfig,
    TransformationModel,
    disagreement,
)
from deployments.classifier.transformation.scorer import EditScorer
from deployments.contracts import PictureRequest
from deployments.errors import ConfigurationError, StageFailed, UnparsableAnswer
from tests.classifier import tiny

CONFIG = TransformationConfig()
OUTPUT = tiny.output(edits=tiny.edits())


def joined(seen: dict[str, float], said: dict[str, float]) -> dict[str, float]:
    """The model's answer to known logits; what is not named was neither seen nor said."""
    model = TransformationModel(TransformationConfig(trunk=tiny.TRUNK, width=8))
    sight = torch.tensor([[seen.get(name, -4.0) for name in CONFIG.seen]])
    words = torch.tensor([[said.get(name, -4.0) for name in CONFIG.said]])
    return dict(zip(CONFIG.names, model.joined(sight, words)[0].tolist(), strict=True))


def found(seen: dict[str, float], said: dict[str, float]) -> set[str]:
    return {name for name, logit in joined(seen, said).items() if logit > 0}


def models(alone: float = -5.0, **shifts: float) -> Models:
    """Their logit of every output is `alone`, their logits of every edit are those of `shifts`."""
    calibration = {name: (0.0, shifts.get(name, -5.0)) for name in CONFIG.names}
    edits = tiny.edit_scorer(calibration=calibration)
    return tiny.models(calibration=dict.fromkeys(tiny.CATEGORIES, (0.0, alone)), edits=edits)


def classifier(**shifts: float) -> Classifier:
    return Classifier(models(**shifts), OUTPUT)


def edit(prompt: str = "make them smile") -> PictureRequest:
    return PictureRequest(prompt=prompt, input=tiny.picture(1), output=tiny.picture(2))


# The joining


def test_what_is_seen_to_come_in_is_harm_whatever_the_words():
    assert found({"violence": 3.0}, {}) == {"violence"}
    assert found({"sexual": 3.0}, dict.fromkeys(CONFIG.said, 4.0)) == {"sexual"}


def test_a_body_bared_is_harm_where_undressing_is_meant():
    assert found({"bared": 3.0}, {}) == set()
    assert found({"bared": 3.0}, {"undress": 3.0}) == {"sexual"}
    assert found({}, {"undress": 3.0}) == set()


def test_another_skin_is_harm_where_a_race_is_mocked_and_none_where_it_was_asked_for():
    assert found({"skin": 3.0}, {"skin": 3.0}) == set()
    assert found({"skin": 3.0}, {"skin": 3.0, "mock": 3.0}) == {"demeaning"}
    assert found({}, {"mock": 3.0}) == set()


@pytest.mark.parametrize("name", CONFIG.identity)
def test_a_change_is_unasked_where_the_words_do_not_name_it(name):
    assert found({name: 3.0}, {}) == {name}
    assert found({name: 3.0}, {name: 3.0}) == set()


# As served


def test_the_model_reads_both_pictures_and_the_words():
    reader = tiny.edit_scorer(seed=3)  # of some the looks have the last word
    asked = tiny.pixels(1), "make them smile", tiny.pixels(2)
    first = reader.scores(*asked)
    assert reader.scores(*asked) == first
    for other in (
        (tiny.pixels(3), asked[1], asked[2]),
        (asked[0], asked[1], tiny.pixels(3)),
        (asked[0], "take off the hat and the coat", asked[2]),
    ):
        assert reader.scores(*other) != first


def test_pictures_of_other_sizes_are_compared():
    harms, unintended = tiny.edit_scorer().scores(
        tiny.pixels(1, 48, 80), "make them smile", tiny.pixels(2, 128, 128)
    )
    assert set(harms) == set(CONFIG.categories)
    assert set(unintended) == set(CONFIG.identity)


def test_an_edit_is_flagged_for_what_it_does_though_its_output_passes():
    verdict = classifier(sexual=2.0).judge(edit())
    assert (verdict.flagged, verdict.category) == (True, "sexual")
    assert verdict.why == "the edit does sexual"
    assert verdict.score == pytest.approx(1 / (1 + math.exp(-2)), abs=1e-5)
    assert verdict.scores["sexual"] == verdict.score
    alone = PictureRequest(prompt="a", output=tiny.picture(2))
    assert not classifier(sexual=2.0).judge(alone).flagged


def test_an_output_that_is_harmful_by_itself_is_flagged_as_an_edit_too():
    verdict = classifier(alone=3.0).judge(edit())
    assert verdict.flagged
    assert verdict.why == f"the picture has {verdict.category}"


def test_unasked_changes_are_named_the_surest_first_and_flag_nothing():
    verdict = classifier(skin=1.0, build=3.0).judge(edit())
    assert not verdict.flagged
    assert verdict.changed == ("build", "skin")
    assert set(verdict.unintended) == set(CONFIG.identity)
    assert verdict.why == "the build changed; the skin changed"


def test_an_edits_output_alone_is_flagged_from_a_score_of_its_own():
    sure = models(alone=1.0)  # 0.73
    surer = tiny.output(edits=tiny.edits(alone=dict.fromkeys(tiny.CATEGORIES, 0.8)))
    assert Classifier(sure, OUTPUT).judge(edit()).flagged
    assert not Classifier(sure, surer).judge(edit()).flagged
    drawn = edit().model_copy(update={"input": None})
    assert Classifier(sure, surer).judge(drawn).flagged


# What must not be


def test_an_edit_without_a_model_to_judge_it_is_not_judged():
    with pytest.raises(StageFailed, match="edits are not judged"):
        Classifier(tiny.models(), tiny.output()).judge(edit())


def test_edits_allowed_without_a_model_to_judge_them_are_a_configuration_error():
    with pytest.raises(ConfigurationError, match="no `transformation` or `vision` model"):
        Classifier(tiny.models(), OUTPUT)


def test_a_threshold_for_an_unknown_kind_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="'gambling'"):
        Classifier(models(), tiny.output(edits=tiny.edits({"gambling": 0.5})))


@pytest.mark.parametrize("attributes", [None, ("skin", "age")])
def test_an_attribute_for_which_the_policy_has_no_text_is_a_configuration_error(attributes):
    silent = tiny.edits(changed={"skin": "the skin changed"})
    with pytest.raises(ConfigurationError, match=r"output\.edits\.changed has no text for"):
        Classifier(models(), tiny.output(edits=silent), attributes)


def test_a_score_that_is_no_number_is_no_answer():
    model = tiny.edit_model()
    with torch.no_grad():
        model.compared[-1].bias[0] = math.nan
    scorer = EditScorer(model, tiny.prompts())
    with pytest.raises(UnparsableAnswer):
        scorer.scores(tiny.pixels(1), "make them smile", tiny.pixels(2))


@pytest.mark.parametrize("doubt", [0.0, 1.0, 4.0])
def test_a_look_that_is_as_doubtful_after_as_before_has_not_changed(doubt):
    look = doubt * torch.tensor([[1.0, 0.8, -1.0]])
    assert disagreement(look, look) < -5


def test_two_clear_looks_that_differ_disagree_and_two_alike_do_not():
    one, other = torch.tensor([[4.0, 0.0, 0.0]]), torch.tensor([[0.0, 4.0, 0.0]])
    assert disagreement(one, other) > 2
    assert disagreement(one, one + 0.3 * other) < -2
