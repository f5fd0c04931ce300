"""The check in mid-flight: is the picture harmful that the denoiser predicts at this step?

At the policy's check points the noise-aware head scores the predicted clean latent. A flagged
trajectory is steered from that step on, instead of being finished, flagged and started again. The
finished picture goes through the output classifier all the same.
"""

from typing import NamedTuple

import torch

from deployments.contracts import Watch
from deployments.diffusion.steering.moment import Moment
from deployments.diffusion.steering.steerers import Head


class Flag(NamedTuple):
    """What a check found: the category, and its score in [0, 1]."""

    category: str
    score: float


class Watcher:
    """Checks one trajectory. Belongs to its request.

    Args:
        head: the noise-aware head.
        embedding: (1, width) float32, of the prompt.
        watch: check points and thresholds, of categories that the head knows.
    """

    def __init__(self, head: Head, embedding: torch.Tensor, watch: Watch) -> None:
        self._head, self._embedding = head, embedding
        self._thresholds = watch.thresholds
        self._points = list(watch.check_points)  # those that lie ahead

    def check(self, moment: Moment) -> Flag | None:
        """The category furthest above its threshold, if any; None between check points too.

        A check point holds for the first step at or after it.
        """
        if not self._points or moment.progress < self._points[0]:
            return None
        self._points = [point for point in self._points if point > moment.progress]
        over = {
            category: score - self._thresholds[category]
            for category, score in self.scores(moment).items()
            if score > self._thresholds.get(category, 1.0)
        }
        if not over:
            return None
        worst = max(over, key=over.__getitem__)
        return Flag(worst, over[worst] + self._thresholds[worst])

    @torch.no_grad()
    def scores(self, moment: Moment) -> dict[str, float]:
        """The head's score of each category for the clean latent as predicted now."""
        when = torch.tensor([moment.timestep], device=moment.sample.device)
        logits = self._head(moment.clean, when, self._embedding)
        return dict(zip(self._head.categories, logits[0].sigmoid().tolist(), strict=True))
