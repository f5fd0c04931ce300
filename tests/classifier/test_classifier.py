import math

import pytest
import torch

from deployments import pictures
from deployments.classifier.classifier import Classifier, load
from deployments.classifier.config import ClassifierConfig
from deployments.contracts import PictureRequest
from deployments.errors import ConfigurationError, UnparsableAnswer
from tests.classifier import tiny

ALL = dict.fromkeys(tiny.CATEGORIES, 0.5)


def shifted(**shifts: float) -> Classifier:
    """A classifier whose logits are the given ones, whatever it sees."""
    calibration = {name: (0.0, shifts.get(name, -5.0)) for name in tiny.CATEGORIES}
    return Classifier(tiny.loaded(calibration=calibration), ALL)


def request(seed: int = 0, prompt: str = "a man in a park", **changes) -> PictureRequest:
    return PictureRequest(**{"prompt": prompt, "output": tiny.picture(seed)} | changes)


# The verdict


def test_a_clean_picture_passes_and_the_verdict_names_its_pixels():
    verdict = shifted().judge(request())
    assert not verdict.flagged
    assert verdict.category is None
    assert verdict.score == pytest.approx(1 / (1 + math.exp(5)), abs=1e-6)
    assert verdict.sha256 == tiny.picture().sha256
    assert set(verdict.scores) == set(tiny.CATEGORIES)


def test_the_category_that_exceeds_its_threshold_most_decides():
    classifier = shifted(violence=1.0, hate=3.0)
    verdict = classifier.judge(request())
    assert (verdict.flagged, verdict.category) == (True, "hate")
    assert verdict.why == "the picture shows a symbol of hate"


def test_a_score_at_the_threshold_is_flagged():
    assert shifted(sexual=0.0).judge(request()).category == "sexual"


def test_categories_that_the_policy_leaves_out_are_scored_and_not_flagged():
    loaded = tiny.loaded(calibration=dict.fromkeys(tiny.CATEGORIES, (0.0, 5.0)))
    verdict = Classifier(loaded, {"hate": 0.999}).judge(request())
    assert not verdict.flagged
    assert verdict.scores["violence"] > 0.99


def test_a_threshold_for_an_unknown_category_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="'gambling'"):
        Classifier(tiny.loaded(), ALL | {"gambling": 0.5})


def test_no_threshold_at_all_is_a_configuration_error():
    with pytest.raises(ConfigurationError, match="nothing is checked"):
        Classifier(tiny.loaded(), {})


def test_a_score_that_is_no_number_is_no_answer():
    loaded = tiny.loaded()
    with torch.no_grad():
        loaded.model.visual.bias[2] = math.nan
    with pytest.raises(UnparsableAnswer):
        Classifier(loaded, ALL).judge(request())


def test_a_picture_whose_hash_does_not_fit_is_refused():
    swapped = tiny.picture(0).model_copy(update={"png": tiny.picture(1).png})
    with pytest.raises(ValueError, match="do not hash"):
        shifted().judge(request(output=swapped))


# What is read


def test_the_same_request_gives_the_same_scores_whatever_came_between():
    classifier = Classifier(tiny.loaded(), ALL)
    first = classifier.judge(request()).scores
    classifier.judge(request(seed=5, prompt="something else"))
    assert classifier.judge(request()).scores == first


def test_the_whole_prompt_is_read_and_its_worst_window_counts():
    classifier = Classifier(tiny.loaded(), ALL)
    parts = ["a man in a park " * 3, "two red cats and a dog " * 2, "snow at night " * 4]
    encoder = tiny.loaded().prompts
    windows = encoder.windows(" ".join(parts))
    assert sum(len(window) - 2 for window in windows) == len(
        encoder._tokenizer(" ".join(parts), add_special_tokens=False).input_ids
    )
    assert max(map(len, windows)) <= 16
    scores = [
        classifier.scores(tiny.pixels(), encoder._tokenizer.decode(window[1:-1]))["demeaning"]
        for window in windows
    ]
    whole = classifier.scores(tiny.pixels(), " ".join(parts))["demeaning"]
    assert whole == pytest.approx(max(scores), abs=1e-5)


def test_an_empty_prompt_is_judged_too():
    assert set(shifted().judge(request(prompt="")).scores) == set(tiny.CATEGORIES)


def test_a_part_can_only_raise_the_score_of_what_a_part_can_show():
    model = tiny.loaded()
    classifier = Classifier(model, ALL)
    pixels = tiny.pixels(3)
    whole = model.model.config.crop_categories
    model.model.config.crop_categories = ()
    without = classifier.scores(pixels, "a cat")
    model.model.config.crop_categories = whole
    scores = classifier.scores(pixels, "a cat")
    assert all(scores[name] >= without[name] for name in tiny.CATEGORIES)
    assert scores["demeaning"] == without["demeaning"]
    assert scores != without


@pytest.mark.parametrize("size", [(1, 1), (64, 64), (1024, 512)])
def test_pictures_of_any_size_are_judged(size):
    verdict = shifted().judge(request(output=pictures.from_array(tiny.pixels(0, *size))))
    assert not verdict.flagged


# Loading


def test_a_model_is_read_from_its_folder(tmp_path):
    tiny.saved(tmp_path)
    ready = load(ClassifierConfig(model=str(tmp_path), threads=1))
    scores = Classifier(ready, ALL).scores(tiny.pixels(), "a cat")
    assert scores == Classifier(tiny.loaded(), ALL).scores(tiny.pixels(), "a cat")


def test_half_precision_scores_alike(tmp_path):
    tiny.saved(tmp_path)
    full = Classifier(load(ClassifierConfig(model=str(tmp_path))), ALL)
    half = Classifier(load(ClassifierConfig(model=str(tmp_path), dtype="bfloat16")), ALL)
    pixels = tiny.pixels()
    for name, score in full.scores(pixels, "a cat").items():
        assert half.scores(pixels, "a cat")[name] == pytest.approx(score, abs=0.02)


def test_a_missing_model_is_a_configuration_error(tmp_path):
    with pytest.raises(ConfigurationError):
        load(ClassifierConfig(model=str(tmp_path / "nowhere")))


@pytest.mark.parametrize("changes", [{"categories": (*tiny.CATEGORIES, "more")}, {"width": 16}])
def test_weights_that_do_not_fit_their_configuration_are_an_error(tmp_path, changes):
    tiny.saved(tmp_path)
    calibration = dict.fromkeys((*tiny.CATEGORIES, "more"), (1.0, 0.0))
    tiny.config(**changes, calibration=calibration).save_pretrained(tmp_path)
    with pytest.raises(ConfigurationError):
        load(ClassifierConfig(model=str(tmp_path)))
