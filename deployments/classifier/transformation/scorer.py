"""What an edit did: the transformation model as it is served."""

import numpy as np
import torch
from torch import Tensor

from deployments.classifier.config import ClassifierConfig
from deployments.classifier.loading import load_whole
from deployments.classifier.prompt import PromptEncoder
from deployments.classifier.transformation.model import TransformationModel
from deployments.classifier.views import views
from deployments.errors import UnparsableAnswer


class TransformationReader:
    """Scores edits: the harm that they do, and what of a person they change unasked."""

    def __init__(self, model: TransformationModel, prompts: PromptEncoder) -> None:
        self._model, self._prompts = model, prompts

    @property
    def categories(self) -> tuple[str, ...]:
        """The kinds of harm that it knows."""
        return tuple(self._model.config.categories)

    @torch.inference_mode()
    def scores(
        self, before: np.ndarray, instruction: str, after: np.ndarray
    ) -> tuple[dict[str, float], dict[str, float]]:
        """Probabilities of each kind of harm, and of each attribute that changed unasked.

        A long instruction is read in windows: it means harm where one of them does, and asks for a
        change where one of them does.

        Args:
            before, after: (height, width, 3), uint8; their sizes may differ.

        Raises:
            UnparsableAnswer: the model gave no finite score.
        """
        config = self._model.config
        states, mask = self._prompts.states(self._prompts.windows(instruction))
        then, now = self._whole(before, config.size), self._whole(after, config.size)
        seen, said = self._model.parts(then, now, states.to(self._model.dtype), mask)
        logits = self._model.joined(seen, said.amax(dim=0, keepdim=True))[0].float()
        if not logits.isfinite().all():
            raise UnparsableAnswer("classifier", "the model gave a score that is no number")
        found = dict(zip(config.names, logits.sigmoid().tolist(), strict=True))
        harms = {name: found[name] for name in config.categories}
        return harms, {name: found[name] for name in config.identity}

    def _whole(self, pixels: np.ndarray, size: int) -> Tensor:
        return views(pixels, size)[:1].to(self._model.device, self._model.dtype)


def load_transformations(
    name: str, config: ClassifierConfig, prompts: PromptEncoder
) -> TransformationReader:
    """The configured model. Raises ConfigurationError if it does not load whole."""
    model = load_whole(TransformationModel, name, config.dtype, config.device)
    return TransformationReader(model, prompts)
