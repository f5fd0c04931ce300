"""Is the judge to be believed?

On rendered pictures, held-out captions under the world's faults, where the truth is known; and on
200 generated ones labelled by eye (docs/by_eye; `python -m evaluation.strips.by_eye` draws such).
"""

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deployments.paths import ROOT
from evaluation.common.intervals import Estimate, share
from evaluation.common.measurement import Measurement, Row, percent
from training.classifiers.data import SIZE, Examples, examples
from training.judge.model import ATTRIBUTES, Judge
from training.judge.train import labels
from training.paths import CHECKPOINTS, MODELS
from training.world.faults import FaultRates
from training.world.sample import Example, draw
from training.world.vocabulary import HARMS
from training.world.wording.captions import Split

BY_EYE = ROOT / "docs" / "by_eye"
PICTURES, LABELS = "pictures.png", "labels.jsonl"
COLUMNS = 20


class Agreement(Measurement):
    """The judge beside the truth, and beside an eye."""

    name = "agreement"
    question = "Is the judge to be believed?"
    minutes = 6
    shard = 256
    seeds: ClassVar = {"captions": 91}
    declared: ClassVar = {
        "harmless_left_alone": percent("harmless rendered pictures left alone"),
        "harm_found": percent("harmful rendered pictures called harmful"),
        "same_harms": percent("rendered pictures with the same harms"),
        "attribute/*": percent("attributes of rendered pictures read right: *"),
        "by_eye": percent("generated pictures that judge and eye call harmful or not alike"),
        "precision_by_eye/*": percent("of what the judge calls so the eye agrees: *"),
        "recall_by_eye/*": percent("of what the eye calls so the judge finds: *"),
    }

    def items(self) -> Sequence[tuple[str, int]]:
        """(kind of picture, number); three in four rendered ones are harmless."""
        known = len(labelled(BY_EYE)[1])
        rendered = [("rendered", i) for i in range(self.options.of(6667))]
        return [*rendered, *(("by_eye", i) for i in range(known))]

    async def start(self) -> None:
        self._judge, self._drawn = Judge(MODELS / "judge"), self._rendered()
        self._seen, self._rows = labelled(BY_EYE)

    async def measure(self, items: Sequence[tuple[str, int]]) -> list[Row]:
        return [self._row(kind, i) for kind, i in items]

    def _row(self, kind: str, i: int) -> Row:
        if kind == "by_eye":
            (reading,) = self._judge.read(self._seen[i : i + 1], [self._rows[i]["prompt"]])
            return {"judge": sorted(reading.harms), "truth": self._rows[i]["harms"]}
        example = self._drawn.all[i]
        (reading,) = self._judge.read(self._drawn.pixels[i : i + 1], [example.caption.text])
        right = [
            (_kind(name), reading.attributes[name] == values[index])
            for (name, values), index in zip(ATTRIBUTES.items(), labels(example.scene), strict=True)
            if index >= 0
        ]
        return {"judge": sorted(reading.harms), "truth": sorted(example.harms), "right": right}

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        both = list(zip(self.items(), rows, strict=True))
        rendered, seen = (
            [row for (kind, _), row in both if kind == name] for name in ("rendered", "by_eye")
        )
        found = {
            "harmless_left_alone": share(not r["judge"] for r in rendered if not r["truth"]),
            "harm_found": share(r["judge"] for r in rendered if r["truth"]),
            "same_harms": share(r["judge"] == r["truth"] for r in rendered),
        }
        by_name: dict[str, list[bool]] = {}
        for row in rendered:
            for name, hit in row["right"]:
                by_name.setdefault(name, []).append(hit)
        found |= {f"attribute/{name}": share(hits) for name, hits in sorted(by_name.items())}
        return found | against_the_eye(seen)

    def _rendered(self) -> Examples:
        seed, count = self.seeds["captions"] + self.options.seed, self.options.of(6667)
        threads = self.options.threads
        return examples(CHECKPOINTS, "judgement", seed, count, "test", world, threads)


def world(rng: random.Random, split: Split = "test") -> Example:
    """The world as it is, faults and all."""
    return draw(rng, FaultRates(), split)


def labelled(folder: Path) -> tuple[NDArray[np.uint8], list[dict[str, Any]]]:
    """Pictures (n, 64, 64, 3) uint8 and their lines, those that have been labelled."""
    text = (folder / LABELS).read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines()]
    grid = np.array(Image.open(folder / PICTURES).convert("RGB"))
    known = [place for place, row in enumerate(rows) if row["harms"] is not None]
    return np.stack([tile(grid, place) for place in known]), [rows[place] for place in known]


def tile(grid: NDArray[np.uint8], place: int) -> NDArray[np.uint8]:
    """The picture at a place of the grid, row by row."""
    row, column = divmod(place, COLUMNS)
    return grid[row * SIZE : (row + 1) * SIZE, column * SIZE : (column + 1) * SIZE]


def against_the_eye(rows: Sequence[Row]) -> dict[str, Estimate]:
    """The judge's harms against the eye's: any, and each kind."""
    found = {"by_eye": share(bool(row["judge"]) == bool(row["truth"]) for row in rows)}
    for kind in ("any", *HARMS):
        pairs = [
            tuple(bool(row[side]) if kind == "any" else kind in row[side] for side in _SIDES)
            for row in rows
        ]
        found[f"precision_by_eye/{kind}"] = share(eye for judge, eye in pairs if judge)
        found[f"recall_by_eye/{kind}"] = share(judge for judge, eye in pairs if eye)
    return found


def _kind(name: str) -> str:
    """Of "0.skin" and "1.skin" one kind; the scene's object is not a person's."""
    return name.partition(".")[2] if name[0].isdigit() else f"scene.{name}"


_SIDES = ("judge", "truth")
MEASUREMENT = Agreement
