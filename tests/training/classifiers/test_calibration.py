"""Where the transformation model's working points come to lie."""

import numpy as np

from training.classifiers.transformation import COLUMNS, F1_SPARED, calibration


def points(positive: np.ndarray, negative: np.ndarray) -> float:
    """The working point of scores that are alike in all columns."""
    scored = np.concatenate([positive, negative])
    truths = np.concatenate([np.ones(len(positive)), np.zeros(len(negative))])
    shape = (1, len(COLUMNS.names))
    found = calibration(np.tile(truths[:, None], shape), np.tile(scored[:, None], shape))
    ((scale, shift),) = set(found.values())
    assert scale == 1
    return -shift


def test_the_working_point_is_the_lowest_that_costs_next_to_nothing():
    positive, negative = np.linspace(2, 4, 300), np.linspace(-4, -1, 3000)
    point = points(positive, negative)
    flagged = int((negative > point).sum())
    assert 1 - 2 * 300 / (600 + flagged) <= F1_SPARED < 1 - 2 * 300 / (601 + flagged)


def test_a_gap_between_few_of_a_kind_and_the_rest_is_seen():
    point = points(np.full(3, 3.0), np.full(2000, -3.0))
    assert -3 < point < 3
