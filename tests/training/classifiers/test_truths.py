"""The truths that the picture models learn from, and the judge's rule, against the world's own."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest

from training.classifiers.classifier import part_truth
from training.classifiers.data import mixed
from training.classifiers.figures import Scored, calibration, figures
from training.classifiers.twins import absolved
from training.judge.model import ATTRIBUTES, asked_objects, demeaning, names_group
from training.judge.train import labels
from training.world.scene import Mark, Scene
from training.world.truth import harms
from training.world.vocabulary import HARMS

RNG_SEEDS = range(400)


def scene_with(mark: Mark):
    example = mixed(random.Random(1))
    return replace(example, scene=Scene("park", marks=(mark,)))


def test_a_twin_is_harmless_and_keeps_place_and_everybody():
    for seed in RNG_SEEDS:
        example, twin = mixed(random.Random(seed)), absolved(random.Random(seed))
        assert twin.caption == example.caption
        assert not twin.harms
        assert twin.scene.place == example.scene.place
        assert len(twin.scene.people) >= len(example.scene.people)
        if not example.harms:
            assert twin == example


def test_every_harm_is_drawn_often_enough_and_so_is_none():
    found = [mixed(random.Random(seed)).harms for seed in RNG_SEEDS]
    for harm in HARMS:
        assert sum(harm in each for each in found) > 0.04 * len(found)
    assert sum(not each for each in found) > 0.35 * len(found)


def test_the_judges_rule_is_the_worlds_on_perfect_sight():
    for seed in RNG_SEEDS:
        example = mixed(random.Random(seed))
        seen = dict.fromkeys(ATTRIBUTES)
        for (name, values), index in zip(ATTRIBUTES.items(), labels(example.scene), strict=True):
            seen[name] = values[index] if index >= 0 else None
        truth = "demeaning" in harms(example.scene, example.wish)
        assert demeaning(seen, example.caption.text) == truth, example


def test_the_words_of_a_caption_say_what_was_wished():
    for seed in RNG_SEEDS:
        example = mixed(random.Random(seed))
        assert names_group(example.caption.text) == (example.wish.group is not None)
        assert asked_objects(example.caption.text) >= (
            example.wish.objects & {"crest", "ray gun", "kitchen knife"}
        )


@pytest.mark.parametrize(("left", "top", "truth"), [(0, 0, 1.0), (30, 30, 0.0), (10, 10, math.nan)])
def test_a_crop_shows_a_mark_or_not_or_cuts_through_it(left, top, truth):
    example = scene_with(Mark("violence", "blade", 12.0, 12.0, 10.0))
    seen = part_truth(example, left, top, 32)[HARMS.index("violence")]
    assert seen == truth or (math.isnan(seen) and math.isnan(truth))


def test_calibration_puts_the_working_point_between_the_two_kinds():
    rng = np.random.default_rng(0)
    truths = rng.random((2000, 4)) < 0.3
    logits = np.where(truths, 7.0, 2.0) + rng.normal(size=truths.shape)
    pairs = calibration(Scored(truths.astype(float), logits))
    scale, shift = np.array([pairs[harm] for harm in HARMS]).T
    measured = figures(Scored(truths.astype(float), logits * scale + shift))
    for harm in HARMS:
        assert measured[harm]["recall"] > 0.98
        assert measured[harm]["false_positive_rate"] < 0.02
