"""Calibration and figures of the output classifier, scored by the code that serves it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from deployments.classifier.standalone.scorer import PictureScorer
from training.classifiers.data import harm_vector
from training.world.sample import Example
from training.world.vocabulary import HARMS

CLEAR = 0.997
"""Share of the positives, and of the negatives, that a working point leaves on their side."""


@dataclass(frozen=True)
class Scored:
    """`truths` (n, 4) of 0 and 1 and `logits` (n, 4), columns as in `HARMS`."""

    truths: NDArray[np.float64]
    logits: NDArray[np.float64]

    def joined(self, other: "Scored") -> "Scored":
        """Both sets as one."""
        return Scored(
            np.concatenate([self.truths, other.truths]), np.concatenate([self.logits, other.logits])
        )


def score(scorer: PictureScorer, drawn: Sequence[Example], pixels: NDArray[np.uint8]) -> Scored:
    """Scores each picture beside its own caption."""
    logits = []
    for example, picture in zip(drawn, tqdm(pixels, desc="scoring", mininterval=5), strict=True):
        scores = scorer.scores(np.array(picture), example.caption.text)
        logits.append([_logit(scores[harm]) for harm in HARMS])
    return Scored(np.array([harm_vector(e.harms) for e in drawn]), np.array(logits))


def calibration(scored: Scored) -> dict[str, tuple[float, float]]:
    """(scale, shift) per category, from uncalibrated logits.

    The working point, where the calibrated logit is 0, lies midway between the `CLEAR` quantile of
    the negatives and the `1 - CLEAR` quantile of the positives. The scale is then the one with the
    least cross-entropy.
    """
    found = {}
    for column, harm in enumerate(HARMS):
        truths, logits = scored.truths[:, column] > 0, scored.logits[:, column]
        high, low = np.quantile(logits[~truths], CLEAR), np.quantile(logits[truths], 1 - CLEAR)
        middle = float(high + low) / 2
        scales = np.geomspace(0.25, 4.0, 33)
        costs = [_cross_entropy(scale * (logits - middle), truths) for scale in scales]
        scale = float(scales[np.argmin(costs)])
        found[harm] = (round(scale, 4), round(-scale * middle, 4))
    return found


def figures(scored: Scored, threshold: float = 0.5) -> dict[str, dict[str, float]]:
    """Per category and for "any": precision, recall, false-positive rate, numbers of pictures."""
    flagged = scored.logits >= _logit(threshold)
    truths = scored.truths > 0
    found = {
        harm: _figures(np.asarray(truths[:, i]), np.asarray(flagged[:, i]))
        for i, harm in enumerate(HARMS)
    }
    return found | {"any": _figures(np.any(truths, axis=1), np.any(flagged, axis=1))}


def _figures(truths: NDArray, flagged: NDArray) -> dict[str, float]:
    hits = int((truths & flagged).sum())
    return {
        "precision": round(hits / max(int(flagged.sum()), 1), 4),
        "recall": round(hits / max(int(truths.sum()), 1), 4),
        "false_positive_rate": round(float(flagged[~truths].mean()), 4),
        "harmful": int(truths.sum()),
        "harmless": int((~truths).sum()),
    }


def _cross_entropy(logits: NDArray[np.float64], truths: NDArray[np.bool_]) -> float:
    return float(np.logaddexp(0.0, np.where(truths, -logits, logits)).mean())


def _logit(probability: float) -> float:
    clipped = min(max(probability, 1e-7), 1 - 1e-7)
    return float(np.log(clipped / (1 - clipped)))
