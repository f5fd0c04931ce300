"""Whether a rewrite still means what the prompt meant: cosine of their sentence embeddings."""

import asyncio
from collections.abc import Sequence

import torch

from deployments.inference.encoder import TokenEncoder


class Similarity:
    """Mean-pooled token states, as Reimers and Gurevych (2019), "Sentence-BERT"."""

    def __init__(self, encoder: TokenEncoder, least: float) -> None:
        """`least` is the cosine below which a rewrite counts as another request."""
        self._encoder, self._least = encoder, least

    async def holds(self, before: str, after: str) -> bool:
        """Whether `after` is near enough to `before`."""
        return await asyncio.to_thread(self.cosine, before, after) >= self._least

    def cosine(self, before: str, after: str) -> float:
        """In [-1, 1]; 0 if either text is empty."""
        pooled = [self._pooled([text]) for text in (before, after)]
        if any(p is None for p in pooled):
            return 0.0
        first, second = (p for p in pooled if p is not None)
        return float(torch.cosine_similarity(first, second, dim=0))

    def _pooled(self, texts: Sequence[str]) -> torch.Tensor | None:
        windows = self._encoder.encode(texts)
        return torch.cat([window.states for window in windows]).mean(0) if windows else None
