"""What of a picture and its prompt makes the scores."""

import math

import pytest
import torch

from deployments.classifier.standalone.scorer import PictureScorer
from deployments.errors import UnparsableAnswer
from tests.classifier import tiny


def test_the_same_picture_has_the_same_scores_whatever_came_between():
    scorer = tiny.scorer()
    first = scorer.scores(tiny.pixels(), "a man in a park")
    scorer.scores(tiny.pixels(5), "something else")
    assert scorer.scores(tiny.pixels(), "a man in a park") == first


def test_the_whole_prompt_is_read_and_its_worst_window_counts():
    scorer, encoder = tiny.scorer(), tiny.prompts()
    parts = ["a man in a park " * 3, "two red cats and a dog " * 2, "snow at night " * 4]
    windows = encoder.windows(" ".join(parts))
    assert sum(len(window) - 2 for window in windows) == len(
        encoder._tokenizer(" ".join(parts), add_special_tokens=False).input_ids
    )
    assert max(map(len, windows)) <= tiny.WINDOW
    scores = [
        scorer.scores(tiny.pixels(), encoder._tokenizer.decode(window[1:-1]))["demeaning"]
        for window in windows
    ]
    whole = scorer.scores(tiny.pixels(), " ".join(parts))["demeaning"]
    assert whole == pytest.approx(max(scores), abs=1e-5)


def test_an_empty_prompt_is_read_too():
    assert set(tiny.scorer().scores(tiny.pixels(), "")) == set(tiny.CATEGORIES)


def test_a_part_can_only_raise_the_score_of_what_a_part_can_show():
    pixels = tiny.pixels(3)
    without = tiny.scorer(crop_categories=()).scores(pixels, "a cat")
    scores = tiny.scorer().scores(pixels, "a cat")
    assert all(scores[name] >= without[name] for name in tiny.CATEGORIES)
    assert scores["demeaning"] == without["demeaning"]
    assert scores != without


def test_a_score_that_is_no_number_is_no_answer():
    model = tiny.model()
    with torch.no_grad():
        model.visual.bias[2] = math.nan
    with pytest.raises(UnparsableAnswer):
        PictureScorer(model, tiny.prompts()).scores(tiny.pixels(), "a cat")
