"""Step-level batching beside its baselines; see this package."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, ClassVar

from tqdm import tqdm

from deployments.diffusion.config import DiffusionConfig
from deployments.diffusion.engine.row_cap import RowCosts, row_costs
from deployments.diffusion.loading import load_samplers, measured_costs
from deployments.diffusion.sampling.sampler import Sampler
from deployments.ops.serve_config import read_serve_config
from evaluation.common.intervals import Estimate, single, spread
from evaluation.common.measurement import Declared, Measurement, Row, percent
from evaluation.engine.bench.baselines import WAYS
from evaluation.engine.bench.figures import (
    ROW_STEPS_PER_IMAGE,
    against_step,
    latency_figures,
    limits,
)
from evaluation.engine.bench.measure import Bench
from evaluation.engine.bench.traffic import arrivals, requests

SIZES = (1, 2, 4, 8, 16, 32, 64)
PASSES = 3
CLIENTS = 32
REPETITIONS, REPLAYS = 5, 3
WARM_UP, SECONDS, TRACE = 6.0, 12.0, 120.0
"""Seconds: before a window, of a window at least, and of a trace of arrivals."""
LOAD = 0.8
"""Share of the capacity of one request at a time at which latency is measured."""
REPLAYED = ("step", "one")
Item = tuple[str, int, str]


class EngineBench(Measurement):
    """Throughput of every way, latency of two, and what the denoiser alone could do."""

    name = "bench"
    question = "What does batching by the step gain over other ways to share a denoiser?"
    minutes = 22
    shard = 1
    seeds: ClassVar = {"requests": 0}
    declared: ClassVar = {
        "step_over/*": Declared("pictures per second of the engine over those of *, 32 clients"),
        "by_cpu_time/*": Declared("the same by processor time: *"),
        "per_second/*": Declared("pictures per second: *"),
        "rows_per_call/*": Declared("rows of a denoiser call: *"),
        "p50_over_one": Declared(f"median latency over one at a time, at {LOAD} of its capacity"),
        "p99_over_one": Declared(f"p99 latency over one at a time, at {LOAD} of its capacity"),
        "share_of_ceiling": percent("of what the denoiser alone could do", "≥ 90 %"),
        "row_cap": Declared("rows of a call beyond which nothing is gained"),
        "most": Declared("the most that shared rows can gain over one at a time"),
        "ms_per_row/*": Declared("time of a row in a call of * rows", "ms"),
    }

    def items(self) -> Sequence[Item]:
        """The denoiser's costs, then ways in a rotating order: each repetition, each replay."""
        found: list[Item] = [("costs", 0, "")]
        for kind, names, times in (
            ("throughput", list(WAYS), self.options.of(REPETITIONS)),
            ("latency", list(REPLAYED), self.options.of(REPLAYS)),
        ):
            found += [(kind, n, name) for n in range(times) for name in rotated(names, n)]
        return found

    async def start(self) -> None:
        arguments = read_serve_config(self.options.config)["applications"][0]["args"]["diffusion"]
        threads = {"threads": self.options.threads}
        config = DiffusionConfig.model_validate(arguments | threads)
        self._sampler = load_samplers(config).text_to_image
        self._bench: Bench | None = None
        self._quick = self.options.count is not None

    async def measure(self, items: Sequence[Item]) -> list[Row]:
        return [await self._row(*item) for item in items]

    async def _row(self, kind: str, number: int, name: str) -> Row:
        if kind == "costs":
            costs = swept(self._sampler)
            return {"cap": costs.cap, "seconds": list(costs.seconds.items())}
        if self._bench is None:
            self._bench = Bench(self._sampler, costs_of(self.done[0]), CLIENTS, ROW_STEPS_PER_IMAGE)
        asked = requests(number + self.options.seed, self._sampler.own_side)
        if kind == "throughput":
            warm_up, seconds = (1.0, 3.0) if self._quick else (WARM_UP, SECONDS)
            return asdict(await self._bench.throughput(WAYS[name], asked, warm_up, seconds))
        trace = arrivals(self._rate(), 10.0 if self._quick else TRACE, number)
        return {"spans": await self._bench.latencies(WAYS[name], asked, trace)}

    def _rate(self) -> float:
        """Arrivals per second: `LOAD` of what one at a time was seen to manage."""
        seen = zip(self.items(), self.done, strict=False)
        own = [row["images_per_second"] for (_, _, name), row in seen if name == "one"]
        return LOAD * spread(own).value

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        by_way: dict[str, dict[str, list[Any]]] = {"throughput": {}, "latency": {}}
        for (kind, _, name), row in sorted(zip(self.items(), rows, strict=True), key=_repetition):
            if kind != "costs":
                by_way[kind].setdefault(name, []).append(row)
        throughput, costs = by_way["throughput"], costs_of(rows[0])
        speeds = _each(throughput, "images_per_second")
        found = {f"step_over/{n}": spread(v) for n, v in against_step(speeds).items()}
        by_cpu = against_step(_each(throughput, "images_per_cpu_second"))
        found |= {f"by_cpu_time/{name}": spread(values) for name, values in by_cpu.items()}
        found |= {f"per_second/{name}": spread(values) for name, values in speeds.items()}
        calls = _each(throughput, "rows_per_call")
        found |= {f"rows_per_call/{name}": spread(values) for name, values in calls.items()}
        found |= latency_figures(_each(by_way["latency"], "spans"))
        ends = limits(costs, spread(speeds["step"]).value)
        found |= {name: single(value) for name, value in ends.items()}
        per_row = {rows: 1000 * took / rows for rows, took in costs.seconds.items()}
        return found | {f"ms_per_row/{rows}": single(ms) for rows, ms in per_row.items()}


def swept(sampler: Sampler) -> RowCosts:
    """The denoiser's costs at all sizes, beyond the cap too; the shortest of a few passes, so that
    a busy moment of the machine does not look like the end of the gain."""
    seconds = dict.fromkeys(SIZES, float("inf"))
    for rows in tqdm(SIZES * PASSES, desc="rows"):
        seconds[rows] = min(seconds[rows], measured_costs(sampler, rows).seconds[rows])
    return RowCosts(row_costs(seconds.__getitem__, SIZES[-1]).cap, seconds)


def costs_of(row: Row) -> RowCosts:
    """The costs that were measured first."""
    return RowCosts(row["cap"], dict(row["seconds"]))


def rotated(names: list[str], by: int) -> list[str]:
    """Each name comes first in its turn."""
    return names[by % len(names) :] + names[: by % len(names)]


def _repetition(pair: tuple[Item, Row]) -> int:
    return pair[0][1]


def _each(by_way: Mapping[str, Sequence[Row]], what: str) -> dict[str, list[Any]]:
    return {name: [row[what] for row in rows] for name, rows in by_way.items()}


MEASUREMENT = EngineBench
