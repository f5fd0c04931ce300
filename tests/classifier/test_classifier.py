"""The verdict on a picture, in the policy's thresholds and words."""

import math

import pytest

from deployments import pictures
from deployments.classifier.classifier import Classifier
from deployments.contracts import PictureRequest
from deployments.errors import ConfigurationError
from tests.classifier import tiny


def shifted(**shifts: float) -> Classifier:
    """A classifier whose logits are the given ones, whatever it sees."""
    calibration = {name: (0.0, shifts.get(name, -5.0)) for name in tiny.CATEGORIES}
    return Classifier(tiny.models(calibration=calibration), tiny.output())


def request(seed: int = 0, prompt: str = "a man in a park", **changes) -> PictureRequest:
    return PictureRequest(**{"prompt": prompt, "output": tiny.picture(seed)} | changes)


def test_a_clean_picture_passes_without_a_reason_and_the_verdict_names_its_pixels():
    verdict = shifted().judge(request())
    assert not verdict.flagged
    assert (verdict.category, verdict.why) == (None, "")
    assert verdict.score == pytest.approx(1 / (1 + math.exp(5)), abs=1e-6)
    assert verdict.sha256 == tiny.picture().sha256
    assert set(verdict.scores) == set(tiny.CATEGORIES)


def test_the_category_that_exceeds_its_threshold_most_decides_and_the_policy_says_why():
    verdict = shifted(violence=1.0, hate=3.0).judge(request())
    assert (verdict.flagged, verdict.category) == (True, "hate")
    assert verdict.why == "the picture has hate"


def test_a_score_at_the_threshold_is_flagged():
    assert shifted(sexual=0.0).judge(request()).category == "sexual"


def test_categories_that_the_policy_leaves_out_are_scored_and_not_flagged():
    models = tiny.models(calibration=dict.fromkeys(tiny.CATEGORIES, (0.0, 5.0)))
    verdict = Classifier(models, tiny.output({"hate": 0.999})).judge(request())
    assert not verdict.flagged
    assert verdict.scores["violence"] > 0.99


def test_a_threshold_for_an_unknown_category_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="'gambling'"):
        Classifier(tiny.models(), tiny.output({**tiny.ALL, "gambling": 0.5}))


def test_no_threshold_at_all_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="nothing is checked"):
        Classifier(tiny.models(), tiny.output({}))


def test_a_picture_whose_hash_does_not_fit_is_refused():
    swapped = tiny.picture(0).model_copy(update={"png": tiny.picture(1).png})
    with pytest.raises(ValueError, match="do not hash"):
        shifted().judge(request(output=swapped))


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (1024, 512)])
def test_pictures_of_any_size_are_judged(size):
    verdict = shifted().judge(request(output=pictures.from_array(tiny.pixels(0, *size))))
    assert not verdict.flagged
