"""Prompts of any length for pipelines whose tokenizers read one window.

A prompt is cut between words into windows that every tokenizer of the pipeline reads whole. The
windows are encoded one by one by the pipeline's own `encode_prompt` and laid end to end. A prompt
that needs too many windows is refused; nothing is cut off silently.
"""

import inspect
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import torch
from diffusers import (
    FluxPipeline,
    StableDiffusion3Pipeline,
    StableDiffusionPipeline,
    StableDiffusionXLPipeline,
)

from deployments.errors import RequestError

Pipeline: TypeAlias = Any
"""A diffusers pipeline; the library gives its classes no types."""

MAX_WINDOWS = 4
REMEMBERED = 64
"""Encoded windows in the cache: the empty one, and those of prompts that are drawn again."""
LONGEST_WINDOW = 256
"""Tokens that the T5 encoders of SD3 and FLUX read by default, whatever their tokenizer allows."""

ENCODED = {
    StableDiffusionPipeline: ("embeds", "negative"),
    StableDiffusionXLPipeline: ("embeds", "negative", "pooled", "negative_pooled"),
    StableDiffusion3Pipeline: ("embeds", "negative", "pooled", "negative_pooled"),
    FluxPipeline: ("embeds", "pooled", "ids"),
}
"""The values that `encode_prompt` returns, in order, for pipelines whose text we encode."""


@dataclass(frozen=True)
class Text:
    """An encoded text.

    Attributes:
        embeds: (1, windows x window length, width), what the denoiser attends to.
        pooled: (1, width) or None, the mean of the windows' summaries.
        mean: (1, width) float32, `mean_embedding` of the text's own tokens.
    """

    embeds: torch.Tensor
    pooled: torch.Tensor | None
    mean: torch.Tensor


def mean_embedding(embeds: torch.Tensor, lengths: list[int]) -> torch.Tensor:
    """One vector for a text, as the noise-aware head reads it.

    Args:
        embeds: (windows, window length, width), any float dtype.
        lengths: tokens of each window, special ones included, padding not.

    Returns:
        (1, width), float32: the mean over the tokens of all windows, not normalised.
    """
    tokens = [window[:length] for window, length in zip(embeds.float(), lengths, strict=True)]
    return torch.cat(tokens).mean(dim=0, keepdim=True)


class WindowedEncoder:
    """Cuts and encodes texts for one pipeline. Not thread-safe, as tokenizers are not."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._tokenizers = [
            tokenizer
            for name in ("tokenizer", "tokenizer_2", "tokenizer_3")
            if (tokenizer := getattr(pipeline, name, None)) is not None
        ]
        self._room = [_room(tokenizer) for tokenizer in self._tokenizers]
        self._encoded = lru_cache(REMEMBERED)(self._encode)
        self._returns = next(
            (names for family, names in ENCODED.items() if isinstance(pipeline, family)), None
        )

    @property
    def encodes(self) -> bool:
        """Whether the pipeline is of a family whose text we encode ourselves."""
        return self._returns is not None

    @property
    def max_windows(self) -> int:
        """How many windows a text may have."""
        return MAX_WINDOWS if self.encodes else 1

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest text; a few less where words do not fill their window."""
        return self.max_windows * min(self._room, default=0)

    def tokens(self, text: str) -> int:
        """Tokens of the text by the first tokenizer, without special ones."""
        return _count(self._tokenizers[0], text) if self._tokenizers else 0

    def windows(self, text: str, param: str = "prompt") -> list[str]:
        """The text cut between words into at least one window; a word too long for one is cut too.

        Raises:
            RequestError: `prompt_too_long`, the text needs more windows than `max_windows`.
        """
        if self._too_long(text):
            raise self._refusal(text, param)
        windows, filled = [""], [0] * len(self._room)
        for word in self._words(text):
            costs = [_count(tokenizer, word) for tokenizer in self._tokenizers]
            grown = [old + cost for old, cost in zip(filled, costs, strict=True)]
            if windows[-1] and not self._fits(grown):
                windows.append("")
                grown = costs
            windows[-1] += word
            filled = grown
        if len(windows) > self.max_windows:
            raise self._refusal(text, param)
        return [window.strip() for window in windows]

    def encode(self, windows: list[str], total: int, *, negative: bool = False) -> Text:
        """Encodes the windows, and empty ones after them until there are `total`.

        Args:
            windows: of a text, from `windows`.
            total: windows of the generation's longest text; guidance needs texts of one length.
            negative: encodes an empty text as the pipeline does for a missing negative prompt.
        """
        padded = windows + [""] * (total - len(windows))
        encoded = [self._encoded(window) for window in padded]
        embeds = torch.cat([window["embeds"] for window in encoded], dim=1)
        pooled = [window["pooled"] for window in encoded[: len(windows)] if "pooled" in window]
        summary = torch.stack(pooled).mean(dim=0) if pooled else None
        if (
            negative
            and windows == [""]
            and self._pipeline.config.get("force_zeros_for_empty_prompt")
        ):
            embeds = torch.zeros_like(embeds)
            summary = torch.zeros_like(summary) if summary is not None else None
        own = torch.cat([window["embeds"] for window in encoded[: len(windows)]])
        return Text(embeds, summary, mean_embedding(own, [self._length(w) for w in windows]))

    def _encode(self, window: str) -> dict[str, torch.Tensor]:
        assert self._returns is not None
        accepted = inspect.signature(self._pipeline.encode_prompt).parameters
        arguments: dict[str, Any] = {
            "prompt": window,
            "prompt_2": None,
            "prompt_3": None,
            "device": self._pipeline._execution_device,
            "num_images_per_prompt": 1,
            "do_classifier_free_guidance": False,
        }
        with torch.no_grad():
            values = self._pipeline.encode_prompt(
                **{name: value for name, value in arguments.items() if name in accepted}
            )
        return dict(zip(self._returns, values, strict=True))

    def _words(self, text: str) -> list[str]:
        return [piece for word in re.findall(r"\s*\S+", text) for piece in self._pieces(word)]

    def _pieces(self, word: str) -> list[str]:
        if len(word) < 2 or self._fits([_count(tokenizer, word) for tokenizer in self._tokenizers]):
            return [word]
        half = len(word) // 2
        return self._pieces(word[:half]) + self._pieces(word[half:])

    def _fits(self, counts: list[int]) -> bool:
        return all(count <= room for count, room in zip(counts, self._room, strict=True))

    def _length(self, window: str) -> int:
        special = self._tokenizers[0].num_special_tokens_to_add()
        return self.tokens(window) + special

    def _too_long(self, text: str) -> bool:
        # Costs one pass, however long the text is.
        return any(
            _count(tokenizer, text) > room * self.max_windows
            for tokenizer, room in zip(self._tokenizers, self._room, strict=True)
        )

    def _refusal(self, text: str, param: str) -> RequestError:
        return RequestError(
            f"the {param} has {self.tokens(text)} tokens; this model reads at most "
            f"{self.max_tokens} in {self.max_windows} window(s)",
            code="prompt_too_long",
            param=param,
        )


def _room(tokenizer: Any) -> int:
    return min(tokenizer.model_max_length, LONGEST_WINDOW) - tokenizer.num_special_tokens_to_add()


def _count(tokenizer: Any, text: str) -> int:
    return len(tokenizer(text, add_special_tokens=False, verbose=False).input_ids)
