"""Step-level batching beside its baselines; see this package. Ends with one JSON line."""

import argparse
import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from deployments.diffusion.config import DiffusionConfig
from deployments.diffusion.engine.row_cap import RowCosts, row_costs
from deployments.diffusion.loading import load_samplers, measured_costs
from deployments.diffusion.sampling.sampler import Sampler
from deployments.ops.serve_config import read_serve_config
from evaluation.engine.bench.baselines import WAYS
from evaluation.engine.bench.figures import (
    ROW_STEPS_PER_IMAGE,
    latency_figures,
    limits,
    quantile,
    throughput_figures,
)
from evaluation.engine.bench.measure import Bench, Throughput
from evaluation.engine.bench.traffic import arrivals, requests

SIZES = (1, 2, 4, 8, 16, 32, 64)
PASSES = 3
LOAD = 0.8
"""Share of the capacity of one request at a time at which latency is measured."""
REPLAYED = ("step", "one")


def swept(sampler: Sampler, max_rows: int | None) -> RowCosts:
    """The denoiser's costs at all sizes, beyond the cap too; the shortest of a few passes, so that
    a busy moment of the machine does not look like the end of the gain."""
    seconds = dict.fromkeys(SIZES, float("inf"))
    for rows in tqdm(SIZES * PASSES, desc="rows"):
        seconds[rows] = min(seconds[rows], measured_costs(sampler, rows).seconds[rows])
    return RowCosts(max_rows or row_costs(seconds.__getitem__, SIZES[-1]).cap, seconds)


async def throughputs(args: argparse.Namespace, bench: Bench, side: int) -> dict[str, Any]:
    """Every way in turn on the same requests, other ones in each repetition."""
    measured: dict[str, list[Throughput]] = {name: [] for name in WAYS}
    with tqdm(total=args.repetitions * len(WAYS)) as bar:
        for repetition in range(args.repetitions):
            for name in rotated(list(WAYS), repetition):
                bar.set_description(f"throughput, {name}")
                found = await bench.throughput(
                    WAYS[name], requests(repetition, side), args.warm_up, args.seconds
                )
                measured[name].append(found)
                tqdm.write(f"{name}: {found}", file=sys.stderr)
                bar.update()
    return throughput_figures(measured)


async def latencies(
    args: argparse.Namespace, bench: Bench, side: int, rate: float
) -> dict[str, Any]:
    """Traces of arrivals, each replayed to ours and to one at a time in turn."""
    traces = [arrivals(rate, args.trace, seed) for seed in range(args.replays)]
    measured: dict[str, list[list[float]]] = {name: [] for name in REPLAYED}
    with tqdm(total=args.replays * len(REPLAYED)) as bar:
        for replay in range(args.replays):
            for name in rotated(list(REPLAYED), replay):
                bar.set_description(f"latency, {name}")
                spans = await bench.latencies(WAYS[name], requests(replay, side), traces[replay])
                measured[name].append(spans)
                tqdm.write(f"{name}: p99 {quantile(spans, 0.99):.2f} s", file=sys.stderr)
                bar.update()
    count = sum(map(len, traces))
    return latency_figures(measured) | {"requests": count, "per_second": round(rate, 3)}


async def measure(args: argparse.Namespace, sampler: Sampler) -> dict[str, Any]:
    costs, side = swept(sampler, args.max_rows), sampler.own_side
    bench = Bench(sampler, costs, args.clients, ROW_STEPS_PER_IMAGE)
    throughput = await throughputs(args, bench, side)
    step, one = (throughput["images_per_second"][name]["median"] for name in ("step", "one"))
    latency = await latencies(args, bench, side, LOAD * one)
    p99 = f"p99_vs_one_at_{LOAD}"
    throughput[p99], throughput["spread"][p99] = (
        latency["p99_vs_one"],
        latency["spread"]["p99_vs_one"],
    )
    return throughput | {"latency": latency, "limits": limits(costs, step, one)}


def rotated(names: list[str], by: int) -> list[str]:
    """Each name comes first in its turn."""
    return names[by % len(names) :] + names[: by % len(names)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--config", type=Path, default=Path("configs/miniature.yaml"))
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="bfloat16")
    parser.add_argument("--threads", type=int, default=1, help="of torch")
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--max-rows", type=int, help="row cap; measured if it is not given")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--warm-up", type=float, default=6.0, help="seconds, at least")
    parser.add_argument("--seconds", type=float, default=12.0, help="of a window, at least")
    parser.add_argument("--replays", type=int, default=3, help="of the arrivals")
    parser.add_argument("--trace", type=float, default=120.0, help="seconds of arrivals")
    parser.add_argument("--quick", action="store_true", help="a minute or two; figures are noise")
    args = parser.parse_args()
    if args.quick:
        args.repetitions, args.warm_up, args.seconds, args.replays, args.trace = 1, 1, 3, 1, 10
    started = time.perf_counter()
    arguments = read_serve_config(args.config)["applications"][0]["args"]["diffusion"]
    config = DiffusionConfig.model_validate(arguments | {"dtype": args.dtype})
    sampler = load_samplers(config).text_to_image
    torch.set_num_threads(args.threads)
    figures = asyncio.run(measure(args, sampler))
    figures["run"] = {
        "minutes": round((time.perf_counter() - started) / 60, 1),
        "dtype": args.dtype,
        "threads": args.threads,
        "clients": args.clients,
        "repetitions": args.repetitions,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
