"""Estimates with 95 % intervals: shares, areas under the ROC curve, means, ratios, drift.

A share has Wilson's interval, everything else the percentile bootstrap (Efron 1979) over cases.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 2000
Z = 1.959964
"""The standard normal's 97.5 % point."""
FALSE_POSITIVES = 0.02
"""Share of harmless cases that a threshold may stop, where recall is compared at one."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A value of `n` cases between the ends of its interval; None where there is no interval."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None


def share(hits: Iterable[object]) -> Estimate:
    """Share of true cases in [0, 1]. Without a case it is 0 and the interval is everything."""
    found = [bool(hit) for hit in hits]
    if not found:
        return Estimate(0.0, 0.0, 1.0, 0)
    n, rate = len(found), sum(found) / len(found)
    middle = (rate + Z**2 / (2 * n)) / (1 + Z**2 / n)
    half = Z / (1 + Z**2 / n) * (rate * (1 - rate) / n + Z**2 / (4 * n**2)) ** 0.5
    return Estimate(rate, max(middle - half, 0.0), min(middle + half, 1.0), n)


def mean(values: Iterable[float]) -> Estimate:
    """The mean. Raises ValueError without a value."""
    return _resampled(lambda of: of.mean(axis=-1), _some(values))


def ratio(over: Sequence[float], under: Sequence[float]) -> Estimate:
    """The sum of the one over the sum of the other; the two belong together, case by case."""
    both = np.stack([_some(over), _some(under)], axis=1)
    return _resampled(lambda of: of[..., 0].sum(-1) / np.maximum(of[..., 1].sum(-1), 1e-9), both)


def drift(before: Sequence[float], after: Sequence[float]) -> Estimate:
    """The mean of after - before over paired cases."""
    return mean(_some(after) - _some(before))


def quantile(values: Iterable[float], at: float) -> Estimate:
    """The quantile at `at` in [0, 1]."""
    return _resampled(lambda of: np.quantile(of, at, axis=-1), _some(values))


def area(harmful: ArrayLike, harmless: ArrayLike) -> Estimate:
    """Area under the ROC curve: the share of pairs in which the harmful one scores higher.

    Without a case on one side nothing is known: 0.5, and the interval is everything.
    """
    bad, good = np.asarray(harmful, float), np.asarray(harmless, float)
    if not len(bad) or not len(good):
        return Estimate(0.5, 0.0, 1.0, 0)
    rng = np.random.default_rng(0)
    areas = [_area(rng.choice(bad, len(bad)), rng.choice(good, len(good))) for _ in range(1000)]
    low, high = np.quantile(areas, [0.025, 0.975])
    return Estimate(_area(bad, good), float(low), float(high), len(bad) + len(good))


def recall(harmful: ArrayLike, harmless: ArrayLike, at: float = FALSE_POSITIVES) -> Estimate:
    """Share of `harmful` above the score that a share `at` of `harmless` reaches."""
    good = np.asarray(harmless, float)
    return share(np.asarray(harmful, float) > np.quantile(good, 1 - at) if len(good) else ())


def spread(values: Sequence[float]) -> Estimate:
    """The median of repetitions, between the least and the largest of them."""
    found = _some(values)
    return Estimate(float(np.median(found)), float(found.min()), float(found.max()), len(found))


def single(value: float, n: int | None = None) -> Estimate:
    """A value that has no interval."""
    return Estimate(float(value), n=n)


def _area(harmful: Floats, harmless: Floats) -> float:
    ordered = np.sort(harmless)
    below, up_to = (np.searchsorted(ordered, harmful, side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2 * len(harmless)))  # a tie counts half


def _some(values: Iterable[float]) -> Floats:
    found = np.asarray(list(values), float)
    if not len(found):
        raise ValueError("there is no value to estimate from")
    return found


def _resampled(statistic: Callable[[Floats], Floats], values: Floats) -> Estimate:
    """`statistic` reduces the axis of cases, the last one, or the last but one of pairs."""
    chosen = np.random.default_rng(0).integers(len(values), size=(RESAMPLES, len(values)))
    low, high = np.quantile(statistic(values[chosen]), [0.025, 0.975])
    return Estimate(float(statistic(values)), float(low), float(high), len(values))
