"""How long the prompt side takes, one prompt at a time and 32 at once, on users' prompts."""

import random
from collections.abc import Mapping, Sequence
from typing import ClassVar

from evaluation.common.atonce import timed
from evaluation.common.intervals import Estimate, quantile, single
from evaluation.common.measurement import Declared, Measurement, Row
from evaluation.common.previews import OverHTTP
from training.language import corpora

AT_ONCE = {"one at a time": (1, 100), "32 at once": (32, 400)}
"""Prompts under way, and how many in all."""


class Latency(Measurement):
    """Milliseconds of a preview and prompts per second, over HTTP."""

    name = "latency"
    question = "How long does the prompt side of a running service take?"
    minutes = 2
    needs = frozenset({"corpora", "url"})
    shard = 1
    declared: ClassVar = {
        "p50/*": Declared("median time of a prompt, *", "ms"),
        "p99/*": Declared("99th percentile of a prompt's time, *", "ms"),
        "per_second/*": Declared("prompts per second, *"),
    }

    def items(self) -> Sequence[str]:
        return list(AT_ONCE)

    async def start(self) -> None:
        assert self.options.url is not None
        assert self.options.corpora is not None
        self._service = OverHTTP(self.options.url)
        held_out = corpora.load(self.options.corpora).held_out_users
        self._texts = random.Random(self.options.seed).sample(held_out, 500)

    async def stop(self) -> None:
        await self._service.stop()

    async def measure(self, items: Sequence[str]) -> list[Row]:
        rows = []
        for name in items:
            at_once, wanted = AT_ONCE[name]
            first = 0 if at_once == 1 else 100  # no prompt twice
            texts = self._texts[first : first + self.options.of(wanted)]
            rows.append(await timed(self._service.preview, texts, at_once))
        return rows

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        found = {}
        for name, row in zip(self.items(), rows, strict=True):
            found[f"p50/{name}"] = quantile(row["ms"], 0.5)
            found[f"p99/{name}"] = quantile(row["ms"], 0.99)
            found[f"per_second/{name}"] = single(row["per_second"], len(row["ms"]))
        return found


MEASUREMENT = Latency
