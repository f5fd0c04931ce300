"""From measurements to medians, spreads and distances."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from deployments.diffusion.engine.row_cap import RowCosts
from evaluation.engine.bench.measure import Throughput
from evaluation.engine.bench.traffic import GUIDANCE_SCALES, STEPS

GUIDED = sum(scale > 1 for scale in GUIDANCE_SCALES) / len(GUIDANCE_SCALES)
"""Share of requests with guidance, which are two rows."""
STEPS_PER_IMAGE = sum(STEPS) / len(STEPS)
ROW_STEPS_PER_IMAGE = STEPS_PER_IMAGE * (1 + GUIDED)


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours over theirs, repetition by repetition. Raises ValueError for unequal numbers."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def median(values: Sequence[float]) -> float:
    return round(float(np.median(values)), 3)


def spread(values: Sequence[float]) -> list[float]:
    """Least and largest."""
    return [round(float(min(values)), 3), round(float(max(values)), 3)]


def quantile(values: Sequence[float], share: float) -> float:
    return float(np.quantile(values, share))


def throughput_figures(measured: Mapping[str, Sequence[Throughput]]) -> dict[str, Any]:
    """Images per second of each way, and ours (`step`) over every other.

    Args:
        measured: way -> its repetitions, in the same order for all.
    """
    speeds = {name: [one.images_per_second for one in all_] for name, all_ in measured.items()}
    by_cpu = {name: [one.images_per_cpu_second for one in all_] for name, all_ in measured.items()}
    against = _step_against(speeds)
    return {
        **{name: median(values) for name, values in against.items()},
        "spread": {name: spread(values) for name, values in against.items()},
        "images_per_second": {name: _both(values) for name, values in speeds.items()},
        "by_cpu_time": {name: _both(values) for name, values in _step_against(by_cpu).items()},
        "completed": {name: sum(one.completed for one in all_) for name, all_ in measured.items()},
        "rows_per_call": {
            name: median([one.rows_per_call for one in all_]) for name, all_ in measured.items()
        },
    }


def _step_against(speeds: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    others = (name for name in speeds if name != "step")
    return {f"step_vs_{name}": ratios(speeds["step"], speeds[name]) for name in others}


def _both(values: Sequence[float]) -> dict[str, Any]:
    return {"median": median(values), "spread": spread(values)}


def latency_figures(measured: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, Any]:
    """p50 and p99 in seconds of each way, and ours over one at a time.

    Args:
        measured: way -> traces -> latencies; the ratios are of all together, the spreads of each.
    """
    quantiles = {
        name: {
            f"p{round(100 * q)}": [quantile(replay, q) for replay in replays] for q in (0.5, 0.99)
        }
        for name, replays in measured.items()
    }
    against = {
        f"{p}_vs_one": ratios(quantiles["step"][p], quantiles["one"][p]) for p in ("p50", "p99")
    }
    pooled = {
        name: [span for replay in replays for span in replay] for name, replays in measured.items()
    }
    return {
        f"p{round(100 * q)}_vs_one": quantile(pooled["step"], q) / quantile(pooled["one"], q)
        for q in (0.5, 0.99)
    } | {
        "spread": {name: spread(values) for name, values in against.items()},
        "seconds": {
            name: {p: _both(values) for p, values in of.items()} for name, of in quantiles.items()
        },
    }


def limits(costs: RowCosts, step: float, one: float) -> dict[str, Any]:
    """Where the gain ends: what rows cost, and how far the engine is from the denoiser alone.

    Args:
        costs: of the denoiser, as far as it was tried.
        step: images per second of step-level batching.
        one: those of one request at a time.
    """
    per_row = {rows: took / rows for rows, took in costs.seconds.items()}
    ceiling = 1 / (ROW_STEPS_PER_IMAGE * min(per_row.values()))
    # A guided request is two rows even alone, and so shares a call with itself already.
    alone = STEPS_PER_IMAGE * (GUIDED * costs.of(2) + (1 - GUIDED) * costs.of(1))
    return {
        "cap": costs.cap,
        "ms_per_row": {rows: round(1000 * took, 2) for rows, took in per_row.items()},
        "guided_alone_vs_unguided": round(costs.of(2) / costs.of(1), 3),
        "ceiling_images_per_second": round(ceiling, 3),
        "step_share_of_ceiling": round(step / ceiling, 3),
        "one_share_of_its_denoiser_alone": round(one * alone, 3),
        "most_that_rows_can_gain": round(ceiling * alone, 3),
    }
