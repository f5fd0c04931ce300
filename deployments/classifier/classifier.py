"""From a picture, its prompt and perhaps the picture it was made of, to a verdict.

Scores are the model's calibrated probabilities. Where a category can be seen in a part, it has the
highest score of the whole picture and its crops; where it depends on the prompt, that of the
prompt's worst window.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from deployments import pictures
from deployments.classifier.config import ClassifierConfig
from deployments.classifier.model import PictureHarmConfig, PictureHarmModel
from deployments.classifier.prompt import PromptEncoder
from deployments.classifier.views import views
from deployments.contracts import PictureRequest, PictureVerdict
from deployments.embedded.resolve import resolve
from deployments.errors import ConfigurationError, UnparsableAnswer

WHY: Mapping[str, str] = {
    "violence": "the picture shows a weapon with blood",
    "sexual": "the picture shows an unclothed person",
    "hate": "the picture shows a symbol of hate",
    "demeaning": "the picture demeans the people that the prompt names",
}


@dataclass(frozen=True)
class Loaded:
    """A model ready to score, and what encodes its prompts."""

    model: PictureHarmModel
    prompts: PromptEncoder


class Classifier:
    """Scores pictures and applies the policy's thresholds.

    Args:
        loaded: model and prompt encoder.
        thresholds: category -> score from which on a picture is flagged.

    Raises:
        ConfigurationError: no threshold is given, or one is for a category that the model does not
            know.
    """

    def __init__(self, loaded: Loaded, thresholds: Mapping[str, float]) -> None:
        known = loaded.model.config.categories
        if not thresholds:
            raise ConfigurationError("the policy's output.thresholds are empty: nothing is checked")
        if unknown := sorted(set(thresholds) - set(known)):
            raise ConfigurationError(
                f"the policy has an output threshold for {unknown[0]!r}; "
                f"the picture classifier knows {', '.join(known)}"
            )
        self._model = loaded.model
        self._prompts = loaded.prompts
        self._thresholds = dict(thresholds)

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Category -> score from which on a picture is flagged."""
        return self._thresholds

    def judge(self, request: PictureRequest) -> PictureVerdict:
        """The verdict on the output picture, bound to its pixels.

        Raises:
            ValueError: a picture's bytes, size and hash do not belong together.
            UnparsableAnswer: the model gave no finite score.
        """
        started = time.perf_counter()
        pixels = pictures.to_array(request.output)
        before = pictures.to_array(request.input) if request.input is not None else None
        scores = self.scores(pixels, request.prompt, before)
        category, score = self._decisive(scores)
        flagged = score >= self._thresholds[category]
        return PictureVerdict(
            flagged=flagged,
            category=category if flagged else None,
            score=score,
            scores=scores,
            why=_why(category) if flagged else "nothing harmful was found in the picture",
            sha256=pictures.pixel_sha256(pixels),
            ms=(time.perf_counter() - started) * 1000,
        )

    @torch.inference_mode()
    def scores(
        self, output: np.ndarray, prompt: str, before: np.ndarray | None = None
    ) -> dict[str, float]:
        """Probability of each category, whatever the policy.

        Args:
            output: (height, width, 3), uint8.
            prompt: as the user gave it, any length.
            before: like `output`, the picture that was edited, or None.

        Raises:
            UnparsableAnswer: the model gave no finite score.
        """
        logits = self._logits(output, prompt, before)
        if not logits.isfinite().all():
            raise UnparsableAnswer("classifier", "the model gave a score that is no number")
        names = self._model.config.categories
        return dict(zip(names, logits.sigmoid().tolist(), strict=True))

    def _logits(self, output: np.ndarray, prompt: str, before: np.ndarray | None) -> Tensor:
        config = self._model.config
        seen = self._model.features(self._ready(views(output, config.size)))
        given = None
        if before is not None:
            whole = views(before, config.size)[:1]
            given = self._model.features(self._ready(whole))
        states, mask = self._prompts.states(self._prompts.windows(prompt))
        windows = len(states)
        whole_logits = self._model.joined(
            *self._model.parts(
                seen[:1].expand(windows, -1),
                states.to(self._model.dtype),
                mask,
                None if given is None else given.expand(windows, -1),
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

    def _decisive(self, scores: Mapping[str, float]) -> tuple[str, float]:
        """The category that exceeds its threshold most, or comes nearest to it, and its score."""
        category = max(self._thresholds, key=lambda name: scores[name] - self._thresholds[name])
        return category, scores[category]


def _why(category: str) -> str:
    return WHY.get(category, f"the picture was found to carry {category.replace('_', ' ')}")


def load(config: ClassifierConfig) -> Loaded:
    """The configured model in its dtype on its device.

    Raises:
        ConfigurationError: it is missing or does not load whole.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    folder = resolve(config.model)
    try:
        model, report = PictureHarmModel.from_pretrained(
            folder, dtype=getattr(torch, config.dtype), output_loading_info=True
        )
        model.requires_grad_(False).eval().to(config.device)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ConfigurationError(f"cannot load the model {config.model!r}: {error}") from error
    # transformers fills what a file lacks with random numbers and only warns.
    if report["missing_keys"] or report["unexpected_keys"] or report["mismatched_keys"]:
        raise ConfigurationError(f"the weights in {folder!r} do not fit their configuration")
    assert isinstance(model.config, PictureHarmConfig)
    return Loaded(model, PromptEncoder(model.config.prompt_window, config.device))
