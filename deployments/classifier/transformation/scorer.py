"""Scores what an edit did: the transformation model as it is served."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from deployments.classifier.prompt import PromptEncoder
from deployments.classifier.transformation.model import TransformationModel
from deployments.classifier.views import views
from deployments.errors import UnparsableAnswer


class EditScores(NamedTuple):
    """Scores of one edit, each in [0, 1].

    Attributes:
        harms: kind of harm -> score that the edit does it.
        unintended: attribute of a person -> score that it changed although nobody asked.
    """

    harms: dict[str, float]
    unintended: dict[str, float]


class EditScorer:
    """Scores the harm that an edit does, and what of a person it changes unasked."""

    def __init__(self, model: TransformationModel, prompts: PromptEncoder) -> None:
        self._model, self._prompts = model, prompts

    @property
    def categories(self) -> tuple[str, ...]:
        """The kinds of harm that it scores."""
        return tuple(self._model.config.categories)

    @property
    def attributes(self) -> tuple[str, ...]:
        """The attributes of a person that it compares."""
        return self._model.config.identity

    @torch.inference_mode()
    def scores(self, before: np.ndarray, instruction: str, after: np.ndarray) -> EditScores:
        """Calibrated probabilities.

        A long instruction is read in windows. It means harm if one window does, and it asks for a
        change if one window does.

        Args:
            before, after: (height, width, 3), uint8; their sizes may differ.

        Raises:
            UnparsableAnswer: the model gave no finite score.
        """
        config = self._model.config
        states, mask = self._prompts.states(self._prompts.windows(instruction))
        then, now = self._whole(before), self._whole(after)
        seen, said = self._model.parts(then, now, states.to(self._model.dtype), mask)
        logits = self._model.joined(seen, said.amax(dim=0, keepdim=True))[0].float()
        if not logits.isfinite().all():
            raise UnparsableAnswer("classifier", "the model gave a score that is no number")
        found = dict(zip(config.names, logits.sigmoid().tolist(), strict=True))
        return EditScores(
            harms={name: found[name] for name in self.categories},
            unintended={name: found[name] for name in self.attributes},
        )

    def _whole(self, pixels: np.ndarray) -> Tensor:
        """The picture without its crops, (1, 3, S, S) in the model's dtype on its device."""
        size = self._model.config.size
        return views(pixels, size)[:1].to(self._model.device, self._model.dtype)
