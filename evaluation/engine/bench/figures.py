"""From measurements to ratios and to distances from the ceiling."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from deployments.diffusion.engine.row_cap import RowCosts
from evaluation.common.intervals import Estimate
from evaluation.engine.bench.traffic import GUIDANCE_SCALES, STEPS

GUIDED = sum(scale > 1 for scale in GUIDANCE_SCALES) / len(GUIDANCE_SCALES)
"""Share of requests with guidance, which are two rows."""
STEPS_PER_IMAGE = sum(STEPS) / len(STEPS)
ROW_STEPS_PER_IMAGE = STEPS_PER_IMAGE * (1 + GUIDED)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours over theirs, repetition by repetition. Raises ValueError for unequal numbers."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def against_step(speeds: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Ours (`step`) over every other way, repetition by repetition."""
    others = (name for name in speeds if name != "step")
    return {name: ratios(speeds["step"], speeds[name]) for name in others}


def latency_figures(spans: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Estimate]:
    """p50 and p99 over one at a time: of all traces together, between the least and largest.

    Args:
        spans: way -> traces -> seconds of each request.
    """
    found = {}
    for key, at in (("p50_over_one", 0.5), ("p99_over_one", 0.99)):
        step, one = ([float(np.quantile(t, at)) for t in spans[way]] for way in ("step", "one"))
        pooled = [np.quantile(list(chain(*spans[way])), at) for way in ("step", "one")]
        each = ratios(step, one)
        count = sum(map(len, spans["step"]))
        found[key] = Estimate(float(pooled[0] / pooled[1]), min(each), max(each), count)
    return found


def limits(costs: RowCosts, step: float) -> dict[str, float]:
    """Where the gain ends: what rows cost, and how far the engine is from the denoiser alone.

    Args:
        costs: of the denoiser, as far as it was tried.
        step: images per second of step-level batching.
    """
    ceiling = 1 / (ROW_STEPS_PER_IMAGE * min(took / n for n, took in costs.seconds.items()))
    # A guided request is two rows even alone, and so shares a call with itself already.
    alone = STEPS_PER_IMAGE * (GUIDED * costs.of(2) + (1 - GUIDED) * costs.of(1))
    return {"row_cap": costs.cap, "share_of_ceiling": step / ceiling, "most": ceiling * alone}
