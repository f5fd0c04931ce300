"""Scores a picture and its prompt: the picture-harm model as it is served."""

import numpy as np
import torch
from torch import Tensor

from deployments.classifier.prompt import PromptEncoder
from deployments.classifier.standalone.model import PictureHarmModel
from deployments.classifier.standalone.open_nsfw import OpenNsfw
from deployments.classifier.views import views
from deployments.errors import ConfigurationError, UnparsableAnswer


class PictureScorer:
    """Calibrated probabilities of harm in a picture.

    The score of a category that a part of a picture can show is the highest of the whole picture
    and its crops. The score of the category that depends on the prompt is the highest over the
    prompt's windows.

    Args:
        open_nsfw: a second model for one of the categories; the higher of the two scores counts.

    Raises:
        ConfigurationError: `open_nsfw` scores a category that `model` does not know.
    """

    def __init__(
        self, model: PictureHarmModel, prompts: PromptEncoder, open_nsfw: OpenNsfw | None = None
    ) -> None:
        known = model.config.categories
        if open_nsfw is not None and open_nsfw.category not in known:
            raise ConfigurationError(
                f"the configuration's `open_nsfw.category` is {open_nsfw.category!r}; the "
                f"classifier knows {', '.join(known)}"
            )
        self._model, self._prompts, self._open_nsfw = model, prompts, open_nsfw

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that it scores."""
        return tuple(self._model.config.categories)

    @torch.inference_mode()
    def scores(self, pixels: np.ndarray, prompt: str) -> dict[str, float]:
        """Category -> probability in [0, 1].

        Args:
            pixels: the picture, (height, width, 3), uint8, any size.
            prompt: as the user gave it, any length.

        Raises:
            UnparsableAnswer: a model gave no finite score.
        """
        logits = self._logits(pixels, prompt)
        if not logits.isfinite().all():
            raise UnparsableAnswer("classifier", "the model gave a score that is no number")
        scores = dict(zip(self.categories, logits.sigmoid().tolist(), strict=True))
        if self._open_nsfw is not None:
            category = self._open_nsfw.category
            scores[category] = max(scores[category], self._open_nsfw.score(pixels))
        return scores

    def _logits(self, pixels: np.ndarray, prompt: str) -> Tensor:
        """Calibrated logits, (categories,), float32."""
        model, config = self._model, self._model.config
        seen = model.features(views(pixels, config.size).to(model.device, model.dtype))
        states, mask = self._prompts.states(self._prompts.windows(prompt))
        repeated = seen[:1].expand(len(states), -1)
        whole = model.joined(*model.parts(repeated, states.to(model.dtype), mask)).amax(dim=0)
        # Crops are scored for what a part can show; for them the prompt says nothing.
        visual = model.visual(seen[1:])
        crops = model.joined(visual, torch.full_like(visual[:, 0], -torch.inf)).amax(dim=0)
        shown = torch.tensor(
            [name in config.crop_categories for name in config.categories], device=crops.device
        )
        return torch.where(shown, torch.maximum(whole, crops), whole).float()
