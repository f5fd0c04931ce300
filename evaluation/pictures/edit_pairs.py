"""Edits of known truth: does the classifier see harm and unasked changes?

2,000 held-out edits of the world, outputs through the autoencoder: the classifier with both
pictures and the words, beside one that sees the output alone; also where the output alone shows no
harm, so that only the input or the words tell.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from deployments import pictures
from deployments.contracts import PictureRequest
from evaluation.common.intervals import Estimate, share
from evaluation.common.measurement import Row, percent
from evaluation.pictures.measured import PictureMeasurement
from training.classifiers.data import autoencoder
from training.classifiers.edit_pairs import KnownPairs, known_pairs
from training.classifiers.transformation import decoded
from training.paths import CHECKPOINTS
from training.world.edits import IDENTITY

SIDES = ("both", "output")


def precision_recall(
    name: str, found: Sequence[bool], truths: Sequence[bool]
) -> dict[str, Estimate]:
    """Both, under `precision/` and `recall/`."""
    return {
        f"precision/{name}": share(t for f, t in zip(found, truths, strict=True) if f),
        f"recall/{name}": share(f for f, t in zip(found, truths, strict=True) if t),
    }


class EditPairs(PictureMeasurement):
    """Precision and recall of harm and of unasked changes."""

    name = "edit_pairs"
    question = "Does the classifier see what an edit of known truth does?"
    minutes = 15
    seeds: ClassVar = {"pairs": 81}
    shard = 100
    declared: ClassVar = {
        "precision/*": percent("edits of known truth, precision: *"),
        "recall/*": percent("edits of known truth, recall: *"),
    }

    def items(self) -> Sequence[int]:
        return range(self.options.of(2000))

    async def start(self) -> None:
        self._pairs = self._known()
        self._after = decoded(self._pairs, autoencoder(), self._seed)
        await super().start()

    async def measure(self, items: Sequence[int]) -> list[Row]:
        judge = self._service.classifier.judge
        rows = []
        for i in items:
            output = pictures.from_array(np.array(self._after[i]))
            given = pictures.from_array(np.array(self._pairs.before[i]))
            words = self._pairs.all[i].edit.instruction
            whole = await judge(PictureRequest(prompt=words, output=output, input=given))
            alone = await judge(PictureRequest(prompt=words, output=output))
            rows.append(
                {"both": whole.flagged, "output": alone.flagged, "changed": list(whole.changed)}
            )
        return rows

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        known = self._known().all
        harmful = [bool(one.edit.harms) for one in known]
        # Harm that cannot be seen in the output: a classifier of outputs can only guess there.
        unseen = [i for i, one in enumerate(known) if not one.edit.after.harms]
        found: dict[str, Estimate] = {}
        for side in SIDES:
            flagged = [row[side] for row in rows]
            found |= precision_recall(f"harm, by {side}", flagged, harmful)
            found |= precision_recall(
                f"harm that the output hides, by {side}",
                [flagged[i] for i in unseen],
                [harmful[i] for i in unseen],
            )
        named = [(row["changed"], one.unasked) for row, one in zip(rows, known, strict=True)]
        for title, names in [
            ("unasked changes", IDENTITY),
            *((f"unasked, {n}", (n,)) for n in IDENTITY),
        ]:
            pairs = [(name in said, name in true) for said, true in named for name in names]
            found |= precision_recall(title, [s for s, _ in pairs], [t for _, t in pairs])
        return found

    @property
    def _seed(self) -> int:
        return self.seeds["pairs"] + self.options.seed

    def _known(self) -> KnownPairs:
        """The edits and their pictures; drawn once."""
        return known_pairs(CHECKPOINTS, self._seed, len(self.items()), "test")


MEASUREMENT = EditPairs
