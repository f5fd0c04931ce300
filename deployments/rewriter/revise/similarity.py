"""Whether a rewrite still means what the prompt meant: cosine of their sentence embeddings."""

import asyncio
from concurrent.futures import Executor

import torch

from deployments.inference.encoder import TokenEncoder


def cosine(encoder: TokenEncoder, before: str, after: str) -> float:
    """The cosine of two texts' mean-pooled token states, as in Reimers and Gurevych (2019),
    "Sentence-BERT". In [-1, 1]; 0 if either text has no tokens."""
    first, second = _pooled(encoder, before), _pooled(encoder, after)
    if first is None or second is None:
        return 0.0
    return float(torch.cosine_similarity(first, second, dim=0))


def _pooled(encoder: TokenEncoder, text: str) -> torch.Tensor | None:
    """float32 [D], or None for a text without tokens."""
    windows = encoder.encode([text])
    return torch.cat([window.states for window in windows]).mean(0) if windows else None


class Similarity:
    """Compares prompts with their rewrites."""

    def __init__(self, encoder: TokenEncoder, least: float, thread: Executor) -> None:
        """
        Args:
            least: the cosine below which a rewrite counts as another request.
            thread: the one thread on which `encoder` is used.
        """
        self._encoder, self._least, self._thread = encoder, least, thread

    async def holds(self, before: str, after: str) -> bool:
        """Whether `after` is near enough to `before`."""
        found = await asyncio.get_running_loop().run_in_executor(
            self._thread, cosine, self._encoder, before, after
        )
        return found >= self._least
