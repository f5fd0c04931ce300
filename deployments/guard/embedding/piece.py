"""What a part of the embedding stage says of one piece of a text."""

from collections.abc import Sequence
from typing import NamedTuple

from deployments.inference.encoder import Window


class Span(NamedTuple):
    """The characters of a text that a window shows, from `start` to before `end`."""

    start: int
    end: int

    @classmethod
    def of(cls, window: Window) -> "Span":
        """From the window's first token to its last."""
        return cls(window.offsets[0][0], window.offsets[-1][1])

    def shared(self, other: "Span") -> int:
        """Characters that both show; negative where they lie apart."""
        return min(self.end, other.end) - max(self.start, other.start)


class Piece(NamedTuple):
    """Scores in [0, 1] by category, of one window of the request with index `request`."""

    request: int
    span: Span
    scores: dict[str, float]

    def closest(self, others: Sequence["Piece"]) -> int:
        """Index of the piece, of the same request, that shows most of the same characters."""
        return max(range(len(others)), key=lambda index: self.span.shared(others[index].span))
