"""The prompt's token states, from frozen all-MiniLM-L6-v2; long prompts are read in windows."""

from pathlib import Path

import torch
from torch import Tensor
from transformers import BertModel, BertTokenizerFast

from deployments.inference.embedded.diffusion import minilm


class PromptEncoder:
    """Texts to token states. Not thread-safe, as tokenizers are not.

    Args:
        window: tokens per window, special ones included.
        device: where the encoder runs; always float32.

    Raises:
        ConfigurationError: the package that carries the encoder is not installed.
    """

    def __init__(self, window: int, device: str = "cpu", folder: Path | None = None) -> None:
        folder = folder or minilm()
        self._tokenizer = BertTokenizerFast.from_pretrained(folder)
        self._model = BertModel.from_pretrained(folder)
        self._model.requires_grad_(False).eval().to(device)
        self._window = window
        self._device = device

    def windows(self, text: str) -> list[list[int]]:
        """Token ids of the whole text, cut every `window` tokens; at least one window."""
        ids = self._tokenizer(text, add_special_tokens=False, verbose=False).input_ids
        room = self._window - 2
        first, last = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        starts = range(0, max(len(ids), 1), room)
        return [[first, *ids[start : start + room], last] for start in starts]

    @torch.inference_mode()
    def states(self, windows: list[list[int]]) -> tuple[Tensor, Tensor]:
        """States (W, L, 384) float32 and mask (W, L) of W windows, padded to the longest."""
        longest = max(len(window) for window in windows)
        ids = torch.zeros(len(windows), longest, dtype=torch.long)
        mask = torch.zeros(len(windows), longest, dtype=torch.long)
        for row, window in enumerate(windows):
            ids[row, : len(window)] = torch.tensor(window)
            mask[row, : len(window)] = 1
        ids, mask = ids.to(self._device), mask.to(self._device)
        return self._model(ids, attention_mask=mask).last_hidden_state, mask
