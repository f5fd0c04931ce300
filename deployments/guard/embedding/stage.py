"""The embedding stage: the trained CNN, and beside it the operator's own examples."""

from collections.abc import Iterator, Sequence

from deployments.contracts import GuardRequest
from deployments.guard.embedding.cnn import CNNStage
from deployments.guard.embedding.few_shot import FewShot
from deployments.guard.embedding.piece import Piece


class EmbeddingStage:
    """Scores requests in every category that either part knows.

    The parts may have encoders of their own, which cut a text differently.
    """

    def __init__(self, cnn: CNNStage, few_shot: FewShot) -> None:
        self._cnn, self._few_shot = cnn, few_shot
        self.categories = tuple(dict.fromkeys((*cnn.categories, *few_shot.categories)))

    def score(self, requests: Sequence[GuardRequest]) -> list[dict[str, float]]:
        """Tables of category -> score, one or more for each window of each request.

        A request that either part cannot read has none: no score would say that it is harmless.
        """
        read = self._cnn.score(requests)
        if not self._few_shot.categories:
            return [piece.scores for piece in read]
        shown = self._few_shot.score(requests)
        return [
            table
            for index in range(len(requests))
            for table in _joined(
                [piece for piece in read if piece.request == index],
                [piece for piece in shown if piece.request == index],
            )
        ]


def _joined(read: Sequence[Piece], shown: Sequence[Piece]) -> Iterator[dict[str, float]]:
    """Tables with the scores of both, each piece beside the other part's piece at its place."""
    if not read or not shown:
        return
    pairs = {(i, piece.closest(shown)) for i, piece in enumerate(read)}
    pairs |= {(piece.closest(read), i) for i, piece in enumerate(shown)}
    for i, j in sorted(pairs):
        yield read[i].scores | shown[j].scores
