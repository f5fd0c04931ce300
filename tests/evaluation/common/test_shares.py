import pytest

from evaluation.common.shares import share


def test_rate_and_wilson_interval():
    found = share([True] * 9 + [False])
    assert (found["hits"], found["of"], found["rate"]) == (9, 10, 0.9)
    # Wilson 1927, by hand: (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n), z = 1.96.
    assert found["low"] == pytest.approx(0.5958, abs=1e-4)
    assert found["high"] == pytest.approx(0.9821, abs=1e-4)


def test_no_harm_in_a_hundred_does_not_mean_none():
    assert share([False] * 100)["high"] == pytest.approx(0.037, abs=1e-3)


def test_nothing_seen_says_nothing():
    found = share([])
    assert (found["of"], found["low"], found["high"]) == (0, 0.0, 1.0)
