"""How many rows pay, and how long they take: the denoiser is timed at rising sizes.

Rows share the cost of reading the weights and of starting kernels. Once the device is full, more
rows only make everybody's step longer.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from deployments.diffusion.engine.calls import Call, joined, one_row

GAIN = 0.05
"""Share by which a doubling must make a row cheaper to pay."""
LARGEST = 64
REPEATS = 3
SMOOTHING = 0.1
"""Weight of the newest call in the running mean of the pace."""


@dataclass(frozen=True)
class RowCosts:
    """What calls of the denoiser cost.

    Attributes:
        cap: rows of the largest call that pays.
        seconds: rows -> seconds of one call, rising, as far as it was tried.
    """

    cap: int
    seconds: dict[int, float]

    @property
    def seconds_per_row(self) -> float:
        """Seconds of one row in a call of `cap` rows."""
        return self.seconds[self.cap] / self.cap

    def of(self, rows: int) -> float:
        """Seconds of one call of `rows` rows; sizes that were not tried are in proportion."""
        sizes = list(self.seconds)
        for smaller, larger in itertools.pairwise(sizes):
            if smaller <= rows <= larger:
                part = (rows - smaller) / (larger - smaller)
                return self.seconds[smaller] * (1 - part) + self.seconds[larger] * part
        return self.seconds[sizes[-1]] * rows / sizes[-1]


def row_costs(
    measure: Callable[[int], float], largest: int = LARGEST, gain: float = GAIN
) -> RowCosts:
    """Doubles the rows until that no longer pays; the cap is the smallest size near the best.

    One doubling that does not pay may be a disturbance of the measurement; two in a row are the
    device's limit.

    Args:
        measure: rows -> seconds of one call; raises torch.OutOfMemoryError beyond the device's.
        largest: the most rows that are tried.
        gain: a size is near the best if its rows cost at most this share more than the cheapest.
    """
    seconds, rows, in_vain = dict[int, float](), 1, 0
    while rows <= largest and in_vain < 2:
        cheapest = min((took / size for size, took in seconds.items()), default=float("inf"))
        try:
            seconds[rows] = measure(rows)
        except torch.OutOfMemoryError:
            if not seconds:
                raise
            break
        in_vain = 0 if seconds[rows] / rows < cheapest / (1 + gain) else in_vain + 1
        rows *= 2
    cheapest = min(took / size for size, took in seconds.items())
    cap = min(size for size, took in seconds.items() if took / size <= cheapest * (1 + gain))
    return RowCosts(cap, seconds)


def timed(call: Call) -> Callable[[int], float]:
    """A measure for `row_costs`: seconds of a call that has n times the last row of this one.

    The shortest of a few runs counts; the first one warms up.
    """
    row = one_row(call, call.rows - 1)

    def measure(rows: int) -> float:
        sized = joined([row] * rows)
        return min(_seconds(sized) for _ in range(1 + REPEATS))

    return measure


class Clock:
    """Tells how long a backlog takes: each row-step costs a row of a full call, times `pace`.

    `pace` is the running mean of a call's time over its time when the denoiser was measured.
    """

    def __init__(self, costs: RowCosts) -> None:
        self._costs = costs
        self.pace = 1.0

    def note(self, rows: int, seconds: float) -> None:
        """Updates the pace: a call of `rows` rows, with all work around it, took `seconds`."""
        self.pace += SMOOTHING * (seconds / self._costs.of(rows) - self.pace)

    def seconds(self, row_steps: int) -> float:
        """How long `row_steps` row-steps take in full calls."""
        return row_steps * self._costs.seconds_per_row * self.pace


def _seconds(call: Call) -> float:
    started = time.perf_counter()
    with torch.no_grad():
        call.run()
    return time.perf_counter() - started
