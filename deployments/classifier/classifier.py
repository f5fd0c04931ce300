"""From a picture, its prompt and perhaps the picture that was edited, to a verdict.

Models give the scores, the policy gives thresholds and reasons.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from deployments import pictures
from deployments.classifier.loading import Models
from deployments.classifier.transformation.scorer import EditScores
from deployments.contracts import PictureRequest, PictureVerdict
from deployments.errors import ConfigurationError, StageFailed
from deployments.policy import EditPolicy, OutputPolicy
from deployments.telemetry.clock import elapsed


class Classifier:
    """Scores pictures and edits, and applies the policy to the scores.

    Args:
        attributes: those that another model scores, such as a vision-language model, whose scores
            come with each edit; None: the edit scorer among `models` scores edits.

    Raises:
        ConfigurationError: the policy has no threshold; it names a category that the models do not
            know; it allows edits that no model scores, or has no text for an attribute that one
            does.
    """

    def __init__(
        self, models: Models, output: OutputPolicy, attributes: Collection[str] | None = None
    ) -> None:
        if not output.thresholds:
            raise ConfigurationError("the policy's output.thresholds are empty: nothing is checked")
        _check_known("output.thresholds", output.thresholds, models.pictures.categories)
        self.output = output
        self._models = models
        if output.edits is not None:
            self._check_edits(output.edits, attributes)

    def judge(self, request: PictureRequest, edit: EditScores | None = None) -> PictureVerdict:
        """The verdict on the output picture, bound to its pixels, and on the edit that made it.

        Args:
            edit: scores of the edit, where another model gave them.

        Raises:
            ValueError: a picture's bytes, size and hash do not belong together.
            UnparsableAnswer: a model gave no finite score.
            StageFailed: there is an input picture, and this replica scores no edits.
        """
        started = time.perf_counter()
        pixels = pictures.to_array(request.output)
        scores = self._models.pictures.scores(pixels, request.prompt)
        worst = _Comparison(scores, self.output.thresholds, self.output.why)
        unintended: Mapping[str, float] = {}
        changed: tuple[str, ...] = ()
        if request.input is not None:
            policy, edit = self._edit_scores(request, pixels, edit)
            alone = _Comparison(scores, self.output.thresholds | policy.alone, self.output.why)
            done = _Comparison(edit.harms, policy.thresholds, policy.why)
            worst = max(alone, done, key=lambda comparison: comparison.margin)
            scores = {name: max(s, edit.harms.get(name, 0.0)) for name, s in scores.items()}
            unintended, changed = edit.unintended, _changed(edit.unintended, policy)
        return PictureVerdict(
            flagged=worst.flagged,
            category=worst.category if worst.flagged else None,
            score=worst.scores[worst.category],
            scores=scores,
            why=worst.why if worst.flagged else self._why_changed(changed),
            sha256=pictures.pixel_sha256(pixels),
            unintended=unintended,
            changed=changed,
            ms=elapsed(started),
        )

    def _edit_scores(
        self, request: PictureRequest, after: np.ndarray, edit: EditScores | None
    ) -> tuple[EditPolicy, EditScores]:
        """The policy for edits, and the scores of this one."""
        if self.output.edits is None or request.input is None:
            raise StageFailed("classifier", "edits are not judged here")
        if edit is None:
            if self._models.edits is None:
                raise StageFailed("classifier", "nobody has judged the edit")
            before = pictures.to_array(request.input)
            edit = self._models.edits.scores(before, request.prompt, after)
        return self.output.edits, edit

    def _why_changed(self, changed: tuple[str, ...]) -> str:
        """What an unflagged edit changed unasked, in the policy's words; "" for nothing."""
        told = self.output.edits.changed if self.output.edits else {}
        return "; ".join(told[name] for name in changed)

    def _check_edits(self, policy: EditPolicy, attributes: Collection[str] | None) -> None:
        if attributes is None:
            if self._models.edits is None:
                raise ConfigurationError(
                    "the policy allows edits, and the classifier has no `transformation` or "
                    "`vision` model"
                )
            _check_known(
                "output.edits.thresholds", policy.thresholds, self._models.edits.categories
            )
            attributes = self._models.edits.attributes
        if silent := sorted(set(attributes) - policy.changed.keys()):
            raise ConfigurationError(
                f"the policy's output.edits.changed has no text for {', '.join(silent)}; the "
                "classifier finds such changes"
            )


@dataclass(frozen=True)
class _Comparison:
    """Scores beside the policy's thresholds and reasons for them."""

    scores: Mapping[str, float]
    thresholds: Mapping[str, float]
    reasons: Mapping[str, str]

    @property
    def category(self) -> str:
        """The one that exceeds its threshold most, or comes nearest to it."""
        return max(self.thresholds, key=lambda name: self.scores[name] - self.thresholds[name])

    @property
    def margin(self) -> float:
        """By how much that one exceeds its threshold; below 0 if it does not."""
        return self.scores[self.category] - self.thresholds[self.category]

    @property
    def flagged(self) -> bool:
        return self.margin >= 0

    @property
    def why(self) -> str:
        return self.reasons[self.category]


def _changed(unintended: Mapping[str, float], policy: EditPolicy) -> tuple[str, ...]:
    """The attributes that count as changed, the surest first."""
    named = [name for name, score in unintended.items() if score >= policy.unintended]
    return tuple(sorted(named, key=lambda name: -unintended[name]))


def _check_known(key: str, thresholds: Mapping[str, float], known: Collection[str]) -> None:
    if unknown := sorted(set(thresholds) - set(known)):
        raise ConfigurationError(
            f"the policy's {key} names {unknown[0]!r}; the classifier knows {', '.join(known)}"
        )
