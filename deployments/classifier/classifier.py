"""From a picture, its prompt and perhaps the picture it was made of, to a verdict.

Scores are the model's calibrated probabilities. Where a category can be seen in a part, it has the
highest score of the whole picture and its crops; where it depends on the prompt, that of the
prompt's worst window.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from deployments import pictures
from deployments.classifier.config import ClassifierConfig
from deployments.classifier.loading import load_whole
from deployments.classifier.prompt import PromptEncoder
from deployments.classifier.standalone.model import PictureHarmModel
from deployments.classifier.standalone.open_nsfw import OpenNsfw, Opinion
from deployments.classifier.transformation.reader import TransformationReader, load_transformations
from deployments.classifier.views import views
from deployments.contracts import PictureRequest, PictureVerdict
from deployments.errors import ConfigurationError, StageFailed, UnparsableAnswer
from deployments.policy import EditPolicy

WHY: Mapping[str, str] = {
    "violence": "the picture shows a weapon with blood",
    "sexual": "the picture shows an unclothed person",
    "hate": "the picture shows a symbol of hate",
    "demeaning": "the picture demeans the people that the prompt names",
}


WHY_EDIT: Mapping[str, str] = {
    "violence": "the edit brings in a weapon or blood",
    "sexual": "the edit undresses the person",
    "hate": "the edit brings in a symbol of hate",
    "demeaning": "the edit demeans the person",
}


EditScores: TypeAlias = tuple[dict[str, float], dict[str, float]]
"""Of each kind of harm that an edit does, and of each attribute that it changed unasked."""


@dataclass(frozen=True)
class Loaded:
    """A model ready to score, what encodes its prompts, and further models where configured."""

    model: PictureHarmModel
    prompts: PromptEncoder
    transformations: TransformationReader | None = None
    opinion: Opinion | None = None


class Classifier:
    """Scores pictures and applies the policy's thresholds.

    Args:
        loaded: model and prompt encoder.
        thresholds: category -> score from which on a picture is flagged.
        edits: the policy for edits; None refuses to judge any.
        asked: edits are scored elsewhere, and the scores come with each.

    Raises:
        ConfigurationError: no threshold is given, one is for a category that the model does not
            know, or edits are allowed and there is no model to judge them.
    """

    def __init__(
        self,
        loaded: Loaded,
        thresholds: Mapping[str, float],
        edits: EditPolicy | None = None,
        *,
        asked: bool = False,
    ) -> None:
        if not thresholds:
            raise ConfigurationError("the policy's output.thresholds are empty: nothing is checked")
        _check_known("the policy's output.thresholds", thresholds, loaded.model.config.categories)
        self._model = loaded.model
        self._prompts = loaded.prompts
        self._opinion = loaded.opinion
        if loaded.opinion is not None:
            named = {loaded.opinion.category: 1.0}
            _check_known(
                "the configuration's `open_nsfw.category`", named, loaded.model.config.categories
            )
        self._thresholds = dict(thresholds)
        self._transformations, self._edits = loaded.transformations, edits
        self._of_edits = self._thresholds | (edits.alone if edits else {})
        if edits is not None and not asked:
            if loaded.transformations is None:
                raise ConfigurationError(
                    "the policy allows edits, and the classifier has no `transformation` or "
                    "`vision` model"
                )
            known = loaded.transformations.categories
            _check_known("the policy's output.edits.thresholds", edits.thresholds, known)

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Category -> score from which on a picture is flagged."""
        return self._thresholds

    @property
    def edits(self) -> EditPolicy | None:
        """The policy for edits; None where none are judged."""
        return self._edits

    def judge(self, request: PictureRequest, edit: EditScores | None = None) -> PictureVerdict:
        """The verdict on the output picture, bound to its pixels, and on the edit that made it.

        Args:
            edit: scores of the edit, where another model was asked for them.

        Raises:
            ValueError: a picture's bytes, size and hash do not belong together.
            UnparsableAnswer: a model gave no finite score.
            StageFailed: there is an input picture, and edits are not judged here.
        """
        started = time.perf_counter()
        pixels = pictures.to_array(request.output)
        thresholds = self._thresholds if request.input is None else self._of_edits
        found = Finding(self.scores(pixels, request.prompt), thresholds, WHY)
        unintended: dict[str, float] = {}
        changed: tuple[str, ...] = ()
        scores = found.scores
        if request.input is not None:
            done, unintended = self._transformed(request, pixels, edit)
            found = max(found, done, key=lambda finding: finding.margin)
            scores = {name: max(s, done.scores.get(name, 0.0)) for name, s in scores.items()}
            changed = self._changed(unintended)
        return PictureVerdict(
            flagged=found.flagged,
            category=found.category if found.flagged else None,
            score=found.scores[found.category],
            scores=scores,
            why=found.why if found.flagged else _unflagged(changed),
            sha256=pictures.pixel_sha256(pixels),
            unintended=unintended,
            changed=changed,
            ms=(time.perf_counter() - started) * 1000,
        )

    def _transformed(
        self, request: PictureRequest, after: np.ndarray, edit: EditScores | None
    ) -> tuple["Finding", dict[str, float]]:
        """What the edit does that is harmful, and the scores of what it changed unasked."""
        if self._edits is None or request.input is None:
            raise StageFailed("classifier", "edits are not judged here")
        if edit is None:
            if self._transformations is None:
                raise StageFailed("classifier", "nobody has judged the edit")
            before = pictures.to_array(request.input)
            edit = self._transformations.scores(before, request.prompt, after)
        harms, unintended = edit
        return Finding(harms, self._edits.thresholds, WHY_EDIT), unintended

    def _changed(self, unintended: Mapping[str, float]) -> tuple[str, ...]:
        """What counts as changed, the surest first."""
        assert self._edits is not None
        threshold = self._edits.unintended
        named = [name for name, score in unintended.items() if score >= threshold]
        return tuple(sorted(named, key=lambda name: -unintended[name]))

    @torch.inference_mode()
    def scores(self, output: np.ndarray, prompt: str) -> dict[str, float]:
        """Probability of each category in the picture alone, whatever the policy.

        Args:
            output: (height, width, 3), uint8.
            prompt: as the user gave it, any length.

        Raises:
            UnparsableAnswer: the model gave no finite score.
        """
        logits = self._logits(output, prompt)
        if not logits.isfinite().all():
            raise UnparsableAnswer("classifier", "the model gave a score that is no number")
        names = self._model.config.categories
        scores = dict(zip(names, logits.sigmoid().tolist(), strict=True))
        if self._opinion is not None:
            other = self._opinion.score(output)
            scores[self._opinion.category] = max(scores[self._opinion.category], other)
        return scores

    def _logits(self, output: np.ndarray, prompt: str) -> Tensor:
        config = self._model.config
        seen = self._model.features(self._ready(views(output, config.size)))
        states, mask = self._prompts.states(self._prompts.windows(prompt))
        windows = len(states)
        whole_logits = self._model.joined(
            *self._model.parts(
                seen[:1].expand(windows, -1),
                states.to(self._model.dtype),
                mask,
            )
        ).amax(dim=0)
        # Crops are looked at for what a part can show; there the prompt says nothing.
        visual = self._model.visual(seen[1:])
        crops = self._model.joined(visual, torch.full_like(visual[:, 0], -torch.inf)).amax(dim=0)
        shown = torch.tensor(
            [name in config.crop_categories for name in config.categories], device=crops.device
        )
        return torch.where(shown, torch.maximum(whole_logits, crops), whole_logits).float()

    def _ready(self, batch: Tensor) -> Tensor:
        return batch.to(self._model.device, self._model.dtype)


@dataclass(frozen=True)
class Finding:
    """Scores beside the thresholds that hold for them, and the reasons in words."""

    scores: Mapping[str, float]
    thresholds: Mapping[str, float]
    reasons: Mapping[str, str]

    @property
    def category(self) -> str:
        """The one that exceeds its threshold most, or comes nearest to it."""
        return max(self.thresholds, key=lambda name: self.scores[name] - self.thresholds[name])

    @property
    def margin(self) -> float:
        """By how much it exceeds its threshold; below 0 where none does."""
        return self.scores[self.category] - self.thresholds[self.category]

    @property
    def flagged(self) -> bool:
        return self.margin >= 0

    @property
    def why(self) -> str:
        """The reason, in words for the user."""
        named = self.category.replace("_", " ")
        return self.reasons.get(self.category, f"the picture was found to carry {named}")


def _unflagged(changed: tuple[str, ...]) -> str:
    if not changed:
        return "nothing harmful was found in the picture"
    named = ", ".join(name.replace("_", " ") for name in changed)
    return f"nothing harmful was found, but nobody asked to change: {named}"


def _check_known(key: str, thresholds: Mapping[str, float], known: Sequence[str]) -> None:
    if unknown := sorted(set(thresholds) - set(known)):
        raise ConfigurationError(
            f"{key} names {unknown[0]!r}; the classifier knows {', '.join(known)}"
        )


def load(config: ClassifierConfig) -> Loaded:
    """The configured models in their dtype on their device.

    Raises:
        ConfigurationError: it is missing or does not load whole.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    model = load_whole(PictureHarmModel, config.model, config.dtype, config.device)
    encoder = PromptEncoder(model.config.prompt_window, config.device)
    reader = None
    if config.transformation is not None:
        reader = load_transformations(config.transformation, config, encoder)
    opinion = None if config.open_nsfw is None else OpenNsfw(config.open_nsfw, config.threads)
    return Loaded(model, encoder, reader, opinion)
