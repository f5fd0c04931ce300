"""How long something took."""

import time


def elapsed(started: float) -> float:
    """Milliseconds since `started`, a `time.perf_counter()`."""
    return (time.perf_counter() - started) * 1000
