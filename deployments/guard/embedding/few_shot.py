"""Categories that an operator shows by a handful of sentences: matched by embedding, untrained.

When the replica starts, a logistic regression for each such category learns to tell the operator's
forbidden sentences and the category's description from the allowed sentences and everyday prompts.
It is fitted on the sentences' mean token states, and again with each sentence's most telling token
added: one forbidden word would drown in the mean of a long prompt. A prompt's score weighs both.
The score is coarse, so the language model, which reads description and examples, is asked as well.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from deployments.contracts import GuardRequest
from deployments.guard.embedding.cnn import as_text
from deployments.guard.embedding.piece import Piece, Span
from deployments.inference.encoder import TokenEncoder, Window
from deployments.policy import Category, Policy

BACKGROUND = Path(__file__).parent / "tables" / "background.txt"
"""Harmless prompts of every kind, one a line."""
# The weights were chosen on the `invented` categories of
# training/language/guard/tables/policy_variants.yaml.
DESCRIPTION_WEIGHT = 6.0
"""Weight of the description in the fit; each of the operator's sentences has weight 1."""
BACKGROUND_WEIGHT = 0.1
"""Weight of one background prompt in the fit."""
INVERSE_PENALTY = 10.0
TOKEN_SHARE = 0.6
"""Share of the most telling token in the log-odds; the mean of all tokens has the rest."""


class FewShot:
    """Scores requests in the categories of a policy that have examples."""

    def __init__(self, policy: Policy, encoder: Callable[[], TokenEncoder] = TokenEncoder) -> None:
        """Fits the models; `encoder` is asked for one only if a category has examples."""
        shown = {name: c for name, c in policy.categories.items() if c.examples}
        self._encoder = encoder() if shown else None
        background = self._read(BACKGROUND.read_text(encoding="utf-8").splitlines())
        self._models = {name: self._fitted(c, background) for name, c in shown.items()}

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that have examples."""
        return tuple(self._models)

    def score(self, requests: Sequence[GuardRequest]) -> list[Piece]:
        """The probability of each category for each window of each request."""
        if self._encoder is None:
            return []
        windows = self._encoder.encode([as_text(request) for request in requests])
        return [
            Piece(window.text, Span.of(window), self._scores(_Text.of(window)))
            for window in windows
        ]

    def _scores(self, text: "_Text") -> dict[str, float]:
        return {name: model.probability(text) for name, model in self._models.items()}

    def _fitted(self, category: Category, background: Sequence["_Text"]) -> "_Model":
        examples = category.examples
        assert examples is not None
        forbidden = self._read([*examples.forbidden, category.description])
        allowed = self._read(examples.allowed)
        return _Model.fitted(
            [*forbidden, *allowed, *background],
            [True] * len(forbidden) + [False] * (len(allowed) + len(background)),
            [1.0] * (len(forbidden) - 1)
            + [DESCRIPTION_WEIGHT]
            + [1.0] * len(allowed)
            + [BACKGROUND_WEIGHT] * len(background),
        )

    def _read(self, texts: Sequence[str]) -> list["_Text"]:
        """The first window of each text; nothing where no category needs it."""
        if self._encoder is None:
            return []
        first: dict[int, Window] = {}
        for window in self._encoder.encode(texts):
            first.setdefault(window.text, window)
        return [_Text.of(window) for window in first.values()]


@dataclass(frozen=True)
class _Text:
    """mean: float32 [D], unit length; tokens: float32 [T, D], of unit length each."""

    mean: NDArray[np.float32]
    tokens: NDArray[np.float32]

    @classmethod
    def of(cls, window: Window) -> "_Text":
        unit = torch.nn.functional.normalize
        return cls(unit(window.states.mean(0), dim=0).numpy(), unit(window.states, dim=1).numpy())


@dataclass(frozen=True)
class _Model:
    weights: NDArray[np.float64]
    bias: float

    @classmethod
    def fitted(cls, texts: Sequence[_Text], truth: list[bool], weights: list[float]) -> "_Model":
        means = np.stack([text.mean for text in texts])
        regression = LogisticRegression(C=INVERSE_PENALTY)
        first = regression.fit(means, truth, sample_weight=weights).coef_[0]
        telling = np.stack([text.tokens[(text.tokens @ first).argmax()] for text in texts])
        regression.fit(np.concatenate([means, telling]), truth * 2, sample_weight=weights * 2)
        return cls(regression.coef_[0], float(regression.intercept_[0]))

    def probability(self, text: _Text) -> float:
        whole, token = text.mean @ self.weights, (text.tokens @ self.weights).max()
        log_odds = (1 - TOKEN_SHARE) * whole + TOKEN_SHARE * token + self.bias
        return 1 / (1 + math.exp(-log_odds))
