"""The embedding stage: the trained CNN, and beside it the operator's own examples."""

from collections.abc import Sequence

from deployments.contracts import GuardRequest
from deployments.guard.embedding.cnn import CNNStage
from deployments.guard.embedding.few_shot import FewShot


class EmbeddingStage:
    """Scores requests in every category that either part knows."""

    def __init__(self, cnn: CNNStage, few_shot: FewShot) -> None:
        self._cnn, self._few_shot = cnn, few_shot
        self.categories = tuple(dict.fromkeys((*cnn.categories, *few_shot.categories)))

    def score(self, requests: Sequence[GuardRequest]) -> list[dict[str, float]]:
        """Tables of category -> score, one for each window that either part reads."""
        tables = self._cnn.score(requests)
        shown = self._few_shot.score(requests)
        if not shown:
            return tables
        # Both read the same windows of the same text.
        return [table | own for table, own in zip(tables, shown, strict=True)]
