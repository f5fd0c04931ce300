"""Intervals beside values that are known by hand or by another library."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from evaluation.common.intervals import area, drift, mean, quantile, ratio, recall, share, spread


def test_a_share_has_wilsons_interval():
    found = share([True] * 9 + [False])
    assert (found.value, found.n) == (0.9, 10)
    # Wilson 1927, by hand: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), z = 1.96.
    assert found.low == pytest.approx(0.5958, abs=1e-4)
    assert found.high == pytest.approx(0.9821, abs=1e-4)


def test_no_harm_in_a_hundred_does_not_mean_none():
    assert share([False] * 100).high == pytest.approx(0.037, abs=1e-3)


def test_nothing_seen_says_nothing():
    found = share([])
    assert (found.n, found.low, found.high) == (0, 0.0, 1.0)


def test_the_area_under_roc_is_sklearns_ties_included():
    rng = np.random.default_rng(1)
    bad, good = rng.integers(3, 9, 80) / 10, rng.integers(0, 7, 120) / 10
    truth = [1] * 80 + [0] * 120
    found = area(bad, good)
    assert found.value == pytest.approx(roc_auc_score(truth, np.concatenate([bad, good])))
    assert found.low < found.value < found.high
    assert found.n == 200


def test_a_side_without_a_case_says_nothing():
    assert (area([], [0.1]).n, recall([0.1], []).n) == (0, 0)


def test_the_bootstraps_interval_of_a_mean_is_about_two_standard_errors():
    values = np.random.default_rng(2).normal(5, 2, 400)
    found = mean(values)
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_drift_is_of_pairs_and_forgets_how_much_they_differ_among_one_another():
    before = [0.0, 10.0, 20.0, 30.0] * 10
    found = drift(before, [value + 1 for value in before])
    assert (found.value, found.low, found.high) == (1, 1, 1)


def test_a_ratio_is_of_sums():
    found = ratio([1, 3], [1, 1])
    assert (found.value, found.low, found.high) == (2, 1, 3)


def test_recall_is_above_the_score_that_a_share_of_the_harmless_reaches():
    assert recall([0.2, 0.6, 0.9], np.arange(101) / 100, at=0.5).value == pytest.approx(2 / 3)


def test_quantiles_and_repetitions():
    assert quantile(range(101), 0.5).value == 50
    assert (spread([2, 1, 5]).value, spread([2, 1, 5]).low, spread([2, 1, 5]).high) == (2, 1, 5)


def test_no_value_has_no_mean():
    with pytest.raises(ValueError, match="no value"):
        mean([])
