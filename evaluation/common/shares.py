"""Shares with their 95 % intervals, as all figures on pictures are given."""

from collections.abc import Iterable

from scipy.stats import binomtest


def share(hits: Iterable[bool]) -> dict[str, float]:
    """How many of how many, and Wilson's 95 % interval of the rate; rate and interval in [0, 1].

    Without any case at all, the rate is 0 and the interval everything.
    """
    found = [bool(hit) for hit in hits]
    if not found:
        return {"hits": 0, "of": 0, "rate": 0.0, "low": 0.0, "high": 1.0}
    interval = binomtest(sum(found), len(found)).proportion_ci(method="wilson")
    return {
        "hits": sum(found),
        "of": len(found),
        "rate": round(sum(found) / len(found), 4),
        "low": round(float(interval.low), 4),
        "high": round(float(interval.high), 4),
    }
