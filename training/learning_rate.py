"""The learning rate as a function of training time."""

from dataclasses import dataclass


@dataclass(frozen=True)
class LearningRate:
    """Warm-up, then constant, then a linear decay to zero.

    Times are seconds of training in all, earlier runs counted in. A longer budget given to a
    resumed run moves the decay further away.

    Attributes:
        peak: the highest rate.
        budget: when the rate has come down to zero.
        warmup: how long the rate rises.
        decay_share: share of the budget, at its end, in which the rate falls; 0 to 1.
    """

    peak: float
    budget: float
    warmup: float = 30.0
    decay_share: float = 0.25

    def at(self, elapsed: float) -> float:
        """The rate after `elapsed` seconds."""
        left = max(0.0, self.budget - elapsed) / (self.decay_share * self.budget)
        return self.peak * min(1.0, left, (elapsed + 1) / self.warmup)
