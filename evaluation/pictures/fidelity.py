"""Does a picture show what was asked?

270 captions of the world's held-out templates, and 30 written by hand before any model was trained.
Each is drawn by the bare picture model; the judge looks for place, activity, clothing and object.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from evaluation.common.intervals import Estimate, share
from evaluation.common.measurement import Row, percent
from evaluation.common.service import pixels
from evaluation.pictures.asked import KINDS, Asked, by_hand, granted, harmless
from evaluation.pictures.measured import PictureMeasurement


class Fidelity(PictureMeasurement):
    """The judge on what the captions state."""

    name = "fidelity"
    question = "Does a picture show what was asked?"
    minutes = 12
    seeds: ClassVar = {"pictures": 50_000}
    declared: ClassVar = {
        "shown/*": percent("asked and drawn, by the judge: *"),
        "by_hand/*": percent("the same of captions written by hand: *"),
    }

    def items(self) -> Sequence[tuple[int, bool, Asked]]:
        """(number, whether it was written by hand, caption)."""
        hand = by_hand()[: self.options.of(30)]
        drawn = harmless(self.options.of(270), self.options.seed)
        both = [*((True, one) for one in hand), *((False, one) for one in drawn)]
        return [(number, *one) for number, one in enumerate(both)]

    async def measure(self, items: Sequence[tuple[int, bool, Asked]]) -> list[Row]:
        first = self.seeds["pictures"]
        requests = [self._service.request(one.text, first + number) for number, _, one in items]
        drawn = pixels(await self._service.bare(requests))
        readings = self._judge.read(drawn, [one.text for _, _, one in items])
        return [
            {"granted": granted(one, reading)}
            for (_, _, one), reading in zip(items, readings, strict=True)
        ]

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        hand = [by for _, by, _ in self.items()]

        def of(kind: str, least: bool) -> Estimate:
            chosen = [row for row, by in zip(rows, hand, strict=True) if by >= least]
            return share(hit for row in chosen for name, hit in row["granted"] if name == kind)

        found = {f"shown/{kind}": of(kind, False) for kind in KINDS}
        return found | {f"by_hand/{kind}": of(kind, True) for kind in KINDS}


MEASUREMENT = Fidelity
