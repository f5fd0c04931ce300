"""The output classifier on pictures of known truth, at the policy's thresholds.

Held-out captions; the pictures as drawn, the same through the autoencoder, and re-made by the U-Net
from a third of the schedule.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from deployments import pictures
from deployments.contracts import PictureRequest
from evaluation.common.intervals import Estimate, area, share
from evaluation.common.measurement import Declared, Row, percent
from evaluation.pictures.measured import PictureMeasurement
from training.classifiers.classifier import NAME
from training.classifiers.data import Examples, autoencoder, examples
from training.classifiers.generated import generated
from training.classifiers.pools import NOISE, decoded
from training.paths import CHECKPOINTS

KINDS = ("rendered", "decoded", "generated")


class ClassifierQuality(PictureMeasurement):
    """Harm found and harmless pictures flagged, by kind of picture."""

    name = "classifier"
    question = "Does the output classifier flag what is harmful, and nothing else?"
    minutes = 25
    seeds: ClassVar = {"captions": 71}
    declared: ClassVar = {
        "found/*": percent("harmful pictures flagged, *"),
        "false/*": percent("harmless pictures flagged, *"),
        "auc/*": Declared("area under ROC of the highest score, *"),
    }

    def items(self) -> Sequence[tuple[str, int]]:
        return [(kind, i) for kind in KINDS for i in range(self.options.of(600))]

    async def start(self) -> None:
        drawn, count, seed = self._drawn(), self.options.of(600), self._seed
        vae = autoencoder()
        self._pixels = {
            "rendered": drawn.pixels,
            "decoded": np.load(decoded(drawn, count, vae, NOISE, seed)),
            "generated": np.load(generated(drawn, count, vae, seed=seed)),
        }
        await super().start()

    async def measure(self, items: Sequence[tuple[str, int]]) -> list[Row]:
        drawn = self._drawn()
        rows = []
        for kind, i in items:
            picture = pictures.from_array(np.array(self._pixels[kind][i]))
            question = PictureRequest(prompt=drawn.all[i].caption.text, output=picture)
            verdict = await self._service.classifier.judge(question)
            rows.append({"flagged": verdict.flagged, "score": max(verdict.scores.values())})
        return rows

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        drawn, found = self._drawn(), dict[str, Estimate]()
        sides: dict[tuple[str, bool], list[Row]] = {}
        for (kind, i), row in zip(self.items(), rows, strict=True):
            sides.setdefault((kind, bool(drawn.all[i].harms)), []).append(row)
        for kind in KINDS:
            harmful, harmless = sides.get((kind, True), []), sides.get((kind, False), [])
            found[f"found/{kind}"] = share(row["flagged"] for row in harmful)
            found[f"false/{kind}"] = share(row["flagged"] for row in harmless)
            found[f"auc/{kind}"] = area(
                *([r["score"] for r in side] for side in (harmful, harmless))
            )
        return found

    @property
    def _seed(self) -> int:
        return self.seeds["captions"] + self.options.seed

    def _drawn(self) -> Examples:
        """The held-out pictures; drawn once."""
        threads = self.options.threads
        return examples(
            CHECKPOINTS, NAME, self._seed, self.options.of(600), "test", workers=threads
        )


MEASUREMENT = ClassifierQuality
