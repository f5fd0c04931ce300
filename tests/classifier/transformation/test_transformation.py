"""Edits: what the pictures show, what the words ask for, and what follows from both."""

import math

import pytest
import torch

from deployments.classifier.classifier import Classifier, Loaded, load
from deployments.classifier.config import ClassifierConfig
from deployments.classifier.transformation.model import (
    TransformationConfig,
    TransformationModel,
    disagreement,
)
from deployments.contracts import PictureRequest
from deployments.errors import ConfigurationError, StageFailed, UnparsableAnswer
from deployments.policy import EditPolicy
from tests.classifier import tiny

CONFIG = TransformationConfig()
EDITS = EditPolicy(thresholds=dict.fromkeys(CONFIG.categories, 0.5))
ALL = dict.fromkeys(tiny.CATEGORIES, 0.5)


def joined(seen: dict[str, float], said: dict[str, float]) -> dict[str, float]:
    """The model's answer to known logits; what is not named was neither seen nor said."""
    model = TransformationModel(TransformationConfig(trunk=tiny.TRUNK, width=8))
    sight = torch.tensor([[seen.get(name, -4.0) for name in CONFIG.seen]])
    words = torch.tensor([[said.get(name, -4.0) for name in CONFIG.said]])
    return dict(zip(CONFIG.names, model.joined(sight, words)[0].tolist(), strict=True))


def found(seen: dict[str, float], said: dict[str, float]) -> set[str]:
    return {name for name, logit in joined(seen, said).items() if logit > 0}


def classifier(**shifts: float) -> Classifier:
    """One that finds nothing in outputs, and in edits what `shifts` says."""
    base = tiny.loaded(calibration=dict.fromkeys(tiny.CATEGORIES, (0.0, -5.0)))
    calibration = {name: (0.0, shifts.get(name, -5.0)) for name in CONFIG.names}
    reader = tiny.transformations(calibration=calibration)
    return Classifier(Loaded(base.model, base.prompts, reader), ALL, EDITS)


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
    reader = tiny.transformations(seed=3)  # of some the looks have the last word
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
    harms, unintended = tiny.transformations().scores(
        tiny.pixels(1, 48, 80), "make them smile", tiny.pixels(2, 128, 128)
    )
    assert set(harms) == set(CONFIG.categories)
    assert set(unintended) == set(CONFIG.identity)


def test_an_edit_is_flagged_for_what_it_does_though_its_output_passes():
    verdict = classifier(sexual=2.0).judge(edit())
    assert (verdict.flagged, verdict.category) == (True, "sexual")
    assert verdict.why == "the edit undresses the person"
    assert verdict.score == pytest.approx(1 / (1 + math.exp(-2)), abs=1e-5)
    assert verdict.scores["sexual"] == verdict.score
    alone = PictureRequest(prompt="a", output=tiny.picture(2))
    assert not classifier(sexual=2.0).judge(alone).flagged


def test_an_output_that_is_harmful_by_itself_is_flagged_as_an_edit_too():
    base = tiny.loaded(calibration=dict.fromkeys(tiny.CATEGORIES, (0.0, 3.0)))
    reader = tiny.transformations(calibration=dict.fromkeys(CONFIG.names, (0.0, -5.0)))
    subject = Classifier(Loaded(base.model, base.prompts, reader), ALL, EDITS)
    assert subject.judge(edit()).flagged


def test_unasked_changes_are_named_the_surest_first_and_flag_nothing():
    verdict = classifier(skin=1.0, build=3.0).judge(edit())
    assert not verdict.flagged
    assert verdict.changed == ("build", "skin")
    assert set(verdict.unintended) == set(CONFIG.identity)
    assert verdict.why == "nothing harmful was found, but nobody asked to change: build, skin"


def test_an_edits_output_alone_is_flagged_from_a_score_of_its_own():
    base = tiny.loaded(calibration=dict.fromkeys(tiny.CATEGORIES, (0.0, 1.0)))  # 0.73
    calibration = dict.fromkeys(CONFIG.names, (0.0, -5.0))
    loaded = Loaded(base.model, base.prompts, tiny.transformations(calibration=calibration))
    surer = EDITS.model_copy(update={"alone": dict.fromkeys(tiny.CATEGORIES, 0.8)})
    assert Classifier(loaded, ALL, EDITS).judge(edit()).flagged
    assert not Classifier(loaded, ALL, surer).judge(edit()).flagged
    drawn = edit().model_copy(update={"input": None})
    assert Classifier(loaded, ALL, surer).judge(drawn).flagged


# What must not be


def test_an_edit_without_a_model_to_judge_it_is_not_judged():
    with pytest.raises(StageFailed, match="edits are not judged"):
        Classifier(tiny.loaded(), ALL).judge(edit())


def test_edits_allowed_without_a_model_to_judge_them_are_a_configuration_error():
    with pytest.raises(ConfigurationError, match="no `transformation` or `vision` model"):
        Classifier(tiny.loaded(), ALL, EDITS)


def test_a_threshold_for_an_unknown_kind_is_a_configuration_error():
    base = tiny.loaded()
    edits = EditPolicy(thresholds={"gambling": 0.5})
    with pytest.raises(ConfigurationError, match="'gambling'"):
        Classifier(Loaded(base.model, base.prompts, tiny.transformations()), ALL, edits)


def test_a_score_that_is_no_number_is_no_answer():
    subject = classifier()
    with torch.no_grad():
        subject._transformations._model.compared[-1].bias[0] = math.nan
    with pytest.raises(UnparsableAnswer):
        subject.judge(edit())


def test_a_model_that_does_not_load_whole_does_not_load(tmp_path):
    tiny.saved(tmp_path / "harm")
    config = TransformationConfig(trunk=tiny.TRUNK, width=8, size=32)
    TransformationModel(config).save_pretrained(tmp_path / "edits")
    names = {"model": str(tmp_path / "harm"), "transformation": str(tmp_path / "edits")}
    assert load(ClassifierConfig(**names)).transformations is not None
    config.width = 16
    config.save_pretrained(tmp_path / "edits")
    with pytest.raises(ConfigurationError):
        load(ClassifierConfig(**names))


@pytest.mark.parametrize("doubt", [0.0, 1.0, 4.0])
def test_a_look_that_is_as_doubtful_after_as_before_has_not_changed(doubt):
    look = doubt * torch.tensor([[1.0, 0.8, -1.0]])
    assert disagreement(look, look) < -5


def test_two_clear_looks_that_differ_disagree_and_two_alike_do_not():
    one, other = torch.tensor([[4.0, 0.0, 0.0]]), torch.tensor([[0.0, 4.0, 0.0]])
    assert disagreement(one, other) > 2
    assert disagreement(one, one + 0.3 * other) < -2
