"""Prompts as the classifiers read them: token states of MiniLM, encoded once and kept on disk."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from deployments.classifier.prompt import PromptEncoder
from training.diffusion.data import Encoded


class PromptStates:
    """The token states of texts, kept in a folder, encoded when first asked for."""

    def __init__(
        self, texts: Sequence[str], folder: Path, window: int, device: str = "cpu"
    ) -> None:
        self._encoder, self._device = PromptEncoder(window, device), device
        self._texts = texts
        self._rows = Encoded(folder, len(self._texts), (window, 384), self._encode)
        self._window = window

    def _windows(self, rows: NDArray[np.int64]) -> list[list[int]]:
        return [self._encoder.windows(self._texts[row])[0] for row in rows]

    def _encode(self, rows: NDArray[np.int64]) -> Tensor:
        with torch.autocast(torch.device(self._device).type, torch.bfloat16):
            states, mask = self._encoder.states(self._windows(rows))
        states = states.float() * mask[:, :, None]
        return functional.pad(states, (0, 0, 0, self._window - states.shape[1]))

    def __getitem__(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """States (n, L, 384) float32 and mask (n, L), L the longest of them, on the device."""
        states = self._rows[rows].to(self._device)
        mask = (states != 0).any(dim=2)
        longest = int(mask.sum(dim=1).max())
        return states[:, :longest], mask[:, :longest].long()
