"""A model folder is loaded whole or not at all."""

import pytest

from deployments.classifier.config import ClassifierConfig
from deployments.classifier.loading import load_models
from deployments.classifier.transformation.model import TransformationConfig
from deployments.errors import ConfigurationError
from tests.classifier import tiny


def test_a_model_is_read_from_its_folder(tmp_path):
    tiny.saved(tmp_path)
    models = load_models(ClassifierConfig(model=str(tmp_path), threads=1))
    asked = tiny.pixels(), "a cat"
    assert models.pictures.scores(*asked) == tiny.scorer().scores(*asked)
    assert models.edits is None


def test_half_precision_scores_alike(tmp_path):
    tiny.saved(tmp_path)
    full, half = (
        load_models(ClassifierConfig(model=str(tmp_path), dtype=dtype)).pictures
        for dtype in ("float32", "bfloat16")
    )
    halved = half.scores(tiny.pixels(), "a cat")
    assert halved == pytest.approx(full.scores(tiny.pixels(), "a cat"), abs=0.02)


def test_a_missing_model_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigurationError):
        load_models(ClassifierConfig(model=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("changes", [{"categories": (*tiny.CATEGORIES, "more")}, {"width": 16}])
def test_weights_that_do_not_fit_their_configuration_are_an_error(tmp_path, changes):
    tiny.saved(tmp_path)
    calibration = dict.fromkeys((*tiny.CATEGORIES, "more"), (1.0, 0.0))
    tiny.config(**changes, calibration=calibration).save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError):
        load_models(ClassifierConfig(model=str(tmp_path)))


def test_an_edit_model_that_does_not_load_whole_is_an_error(tmp_path):
    tiny.saved(tmp_path / "harm")
    tiny.edit_model().save_pretrained(tmp_path / "edits")
    config = ClassifierConfig(model=str(tmp_path / "harm"), transformation=str(tmp_path / "edits"))
    assert load_models(config).edits is not None
    wider = TransformationConfig.from_pretrained(tmp_path / "edits", width=16)
    wider.save_pretrained(tmp_path / "edits")
    with pytest.raises(ConfigurationError):
        load_models(config)
