"""Token states of texts from all-MiniLM-L6-v2, a small sentence encoder (BERT, uncased, 384 wide).

Names, prompts and captions are all read by this one encoder, in windows where a text is long. A
folder with a model of the same kind, such as the guard's fine-tuned one, takes its place.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from deployments.inference.embedded.diffusion import minilm
from deployments.inference.windows import window_slices

SPECIAL_TOKENS = 2
"""Around the ids of every window: [CLS] before them, [SEP] behind them."""
UNLIMITED = 10**9
"""For the tokenizer, which would warn of texts that are longer than one window."""


@dataclass(frozen=True)
class Window:
    """A piece of one text as the encoder sees it, without its special tokens.

    Attributes:
        text: index of the text among those given.
        states: float32 [T, D], T >= 1.
        offsets: for each token, where it starts and ends in the text, in characters.
    """

    text: int
    states: Tensor
    offsets: list[tuple[int, int]]


class TokenEncoder:
    """Encodes texts of any length in windows, batches of like length together.

    Not thread-safe, as tokenizers are not.
    """

    def __init__(
        self,
        folder: Path | None = None,
        *,
        window: int = 128,
        overlap: int = 32,
        batch: int = 32,
        device: str = "cpu",
    ) -> None:
        """
        Args:
            folder: a `transformers` model folder; the embedded MiniLM without one.
            window: tokens that one window shows, special ones not counted.
            overlap: tokens that neighbouring windows share, fewer than `window`.
            batch: windows in one forward pass of `encode`.
            device: where the encoder runs, in float32 unless under autocast.

        Raises:
            ConfigurationError: the package that carries MiniLM is not installed.
            OSError: the folder holds no model.
        """
        folder = folder or minilm()
        self._tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=UNLIMITED)
        self._model = AutoModel.from_pretrained(folder).requires_grad_(False).eval().to(device)
        self._window, self._overlap, self._batch = window, overlap, batch
        self._device = device

    @property
    def width(self) -> int:
        """D, the size of a token's state."""
        return int(self._model.config.hidden_size)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> list[Window]:
        """The windows of all texts, in order; a text without tokens has none."""
        pieces = list(self._pieces(texts))
        found: list[Window | None] = [None] * len(pieces)
        by_length = sorted(range(len(pieces)), key=lambda i: len(pieces[i][1]))
        for start in range(0, len(by_length), self._batch):
            chosen = by_length[start : start + self._batch]
            states, _ = self.states([pieces[i][1] for i in chosen])
            for i, row in zip(chosen, states, strict=True):
                text, ids, offsets = pieces[i]
                found[i] = Window(text, row[1 : len(ids) - 1], offsets)
        return [window for window in found if window is not None]

    def windows(self, text: str) -> list[list[int]]:
        """Token ids of the whole text in windows, special ones around each; at least one window."""
        ids = self._tokenizer(text, add_special_tokens=False).input_ids
        parts = window_slices(len(ids), self._window, self._overlap)
        return [self._framed(ids[part]) for part in parts] or [self._framed([])]

    @torch.inference_mode()
    def states(
        self, windows: Sequence[list[int]], length: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """The states of N windows of token ids, special ones included, padded at the end.

        Args:
            length: T, the length to pad to; that of the longest window without one.

        Returns:
            States [N, T, D], float32 or what autocast gives, and mask int64 [N, T], 0 at padding.
        """
        length = length or max(map(len, windows))
        ids = torch.tensor([[*window, *[0] * (length - len(window))] for window in windows])
        rows = [[1] * len(window) + [0] * (length - len(window)) for window in windows]
        ids, mask = ids.to(self._device), torch.tensor(rows).to(self._device)
        return self._model(input_ids=ids, attention_mask=mask).last_hidden_state, mask

    def _pieces(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[int, list[int], list[tuple[int, int]]]]:
        """For each window: index of its text, token ids with special ones, offsets without."""
        if not texts:
            return
        coded = self._tokenizer(list(texts), add_special_tokens=False, return_offsets_mapping=True)
        rows = zip(coded["input_ids"], coded["offset_mapping"], strict=True)
        for index, (ids, offsets) in enumerate(rows):
            for part in window_slices(len(ids), self._window, self._overlap):
                yield index, self._framed(ids[part]), offsets[part]

    def _framed(self, ids: list[int]) -> list[int]:
        return [self._tokenizer.cls_token_id, *ids, self._tokenizer.sep_token_id]
