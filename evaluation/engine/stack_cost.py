"""What the stack costs, on the machine of a running service.

    python -m evaluation.engine.stack_cost

At capacity, in turns: diffusion alone, asked over its handle, and the whole stack, asked over HTTP,
both by n clients in a closed loop with the same benign prompts and seeds. What each stage costs is
read from the traces. Then one client at a time, with harmless prompts of which a third need the
language model: the walk on the same services, with and without denoising that begins while the
model decides, against diffusion alone. Ends with one JSON line.
"""

import argparse
import asyncio
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import numpy as np
import ray
from ray import serve
from ray.serve.handle import DeploymentHandle
from tqdm import tqdm

from deployments.contracts import GenerationRequest
from deployments.errors import ContentBlocked, Overloaded
from deployments.gateway.walk.jobs import ImageJob
from deployments.gateway.walk.pipeline import Walk
from deployments.gateway.walk.remote import (
    RemoteClassifier,
    RemoteDiffusion,
    RemoteGuard,
    RemoteRewriter,
)
from deployments.inference.embedded.resolve import resolve
from deployments.ops.serve_config import read_serve_config
from deployments.paths import ROOT
from deployments.policy import load_policy
from deployments.telemetry.trace import Trace
from evaluation.engine.bench.traffic import requests

APPLICATION = "safelight"
TOUCHY = (
    "a butcher with a knife in a shop", "a woman in a swimsuit on a beach",
    "a war memorial in the rain", "a nurse with a bandage in a hospital",
    "children's toy guns in a shop window", "a hunter with a rifle in the snow",
    "a statue of a nude in a museum", "a protest in the street with banners",
    "a boxer in a ring", "a man asleep on a bench in a park",
)  # fmt: skip
"""Harmless prompts, some of which the word lists and the embedding network pass on to the language
model."""
STAGES = ("minors", "blocklist", "cnn", "llm", "rewriter", "diffusion", "classifier")


class Service:
    """The running service by its handles, and what its configuration says."""

    def __init__(self, config: Path, host: str) -> None:
        arguments = read_serve_config(config)["applications"][0]["args"]
        self.gateway, self.host = arguments["gateway"], host
        self.policy = load_policy(resolve(arguments["policy"]))
        self.handles: dict[str, DeploymentHandle] = {
            name: serve.get_deployment_handle(name, app_name=APPLICATION)
            for name in ("guard", "rewriter", "diffusion", "classifier")
        }
        self.diffusion = RemoteDiffusion(self.handles["diffusion"])

    def walk(self, *, head_starts: bool) -> Walk:
        """The gateway's walk in this process, on the running services."""
        return Walk(
            self.policy,
            RemoteGuard(self.handles["guard"]),
            RemoteRewriter(self.handles["rewriter"]),
            self.diffusion,
            RemoteClassifier(self.handles["classifier"]),
            head_starts=head_starts,
        )

    def job(self, prompt: str, seed: int) -> ImageJob:
        width, _, height = self.gateway["native_sizes"][0].partition("x")
        return ImageJob(
            request_id=f"cost-{seed}",
            prompt=prompt,
            seed=seed,
            steps=self.gateway["default_steps"],
            guidance_scale=self.gateway["default_guidance_scale"],
            width=int(width),
            height=int(height),
        )

    async def draw(self, prompt: str, seed: int) -> bool:
        """Diffusion alone; False where it refuses."""
        job = self.job(prompt, seed).model_dump(exclude={"n", "loosen", "rewrite"})
        try:
            await self.diffusion.generate(GenerationRequest.model_validate(job))
        except Overloaded:
            return False
        return True

    async def stats(self) -> dict[str, float]:
        return await self.handles["diffusion"].stats.remote()


async def closed_loop(
    ask: Callable[[str, int], Awaitable[bool]], texts: list[str], clients: int, seconds: float
) -> float:
    """Pictures per second, without the first fifth of the time; `ask` returns whether one came."""
    numbers, answered = itertools.count(), list[float]()
    started = time.monotonic()

    async def client() -> None:
        while time.monotonic() - started < seconds:
            number = next(numbers)
            if await ask(texts[number % len(texts)], number):
                answered.append(time.monotonic() - started)

    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(client())
    warm = seconds / 5
    return sum(warm <= at < seconds for at in answered) / (seconds - warm)


async def at_capacity(service: Service, texts: list[str], args: Any) -> dict[str, Any]:
    """Throughput of both in turns, and milliseconds of each stage per request of the stack."""
    rates: dict[str, list[float]] = {"diffusion": [], "stack": []}
    stages: dict[str, list[float]] = defaultdict(list)
    statuses: dict[int, int] = defaultdict(int)
    async with httpx.AsyncClient(base_url=service.host, timeout=180) as http:

        async def whole(prompt: str, seed: int) -> bool:
            body = {"prompt": prompt, "seed": seed}
            answer = await http.post("/v1/images/generations", json=body)
            statuses[answer.status_code] += 1
            if answer.status_code != 200:
                return False
            spent: dict[str, float] = dict.fromkeys(STAGES, 0.0)
            for stage in answer.json()["safety"]["stages"]:
                spent[stage["stage"]] = spent.get(stage["stage"], 0.0) + stage["ms"]
            for name, ms in spent.items():
                stages[name].append(ms)
            return True

        for _ in tqdm(range(args.repeats), desc="at capacity"):
            rates["diffusion"].append(
                await closed_loop(service.draw, texts, args.clients, args.seconds)
            )
            rates["stack"].append(await closed_loop(whole, texts, args.clients, args.seconds))
    ratios = [s / d for s, d in zip(rates["stack"], rates["diffusion"], strict=True)]
    return {
        "per_second": {name: median(found) for name, found in rates.items()},
        "stack_over_diffusion": {
            "median": median(ratios), "least": min(ratios), "most": max(ratios)
        },
        "stage_ms": {name: float(np.mean(found)) for name, found in stages.items()},
        "statuses": dict(statuses),
    }  # fmt: skip


async def one_at_a_time(service: Service, texts: list[str], args: Any) -> dict[str, Any]:
    """Latency with head starts and without, beside diffusion alone, in turns; seconds."""
    walks = {
        "with_head_starts": service.walk(head_starts=True),
        "without": service.walk(head_starts=False),
    }
    taken: dict[str, list[float]] = defaultdict(list)
    by_model: dict[str, list[float]] = defaultdict(list)
    rows = {"run": 0.0, "wasted": 0.0}
    blocked = 0

    async def through(name: str, text: str, number: int) -> tuple[float, bool]:
        """Seconds, and whether the language model was asked."""
        trace, before = Trace(f"cost-{number}", service.policy.ref), await service.stats()
        started = time.perf_counter()
        await walks[name].generate(service.job(text, number), trace)
        took = time.perf_counter() - started
        if name == "with_head_starts":
            after = await service.stats()
            rows["run"] += after["rows"] - before["rows"]
            rows["wasted"] += after["rows_called_off"] - before["rows_called_off"]
        return took, any(s.stage == "llm" for s in trace.safety("delivered").stages)

    for number in tqdm(range(args.single), desc="one at a time"):
        text, spans, asked = texts[number % len(texts)], dict[str, float](), False
        names = ["diffusion", *walks]
        try:
            for name in names[number % 3 :] + names[: number % 3]:
                started = time.perf_counter()
                if name == "diffusion":
                    await service.draw(text, number)
                    spans[name] = time.perf_counter() - started
                else:
                    spans[name], asked = await through(name, text, number)
        except ContentBlocked:
            blocked += 1
            continue
        for name, took in spans.items():
            taken[name].append(took)
            if asked:
                by_model[name].append(took)
    return latencies(taken, by_model) | {
        "blocked": blocked,
        "wasted_row_steps": rows["wasted"] / max(rows["run"], 1),
    }


def latencies(
    taken: Mapping[str, list[float]], by_model: Mapping[str, list[float]]
) -> dict[str, Any]:
    """Percentiles of seconds by way; `by_model` has those whose language model was asked."""
    p50 = {name: float(np.percentile(found, 50)) for name, found in taken.items()}
    asked = {name: float(np.percentile(found, 50)) for name, found in by_model.items()}
    return {
        "p50": p50,
        "p99": {name: float(np.percentile(found, 99)) for name, found in taken.items()},
        "added_p50": {name: p50[name] - p50["diffusion"] for name in p50 if name != "diffusion"},
        "added_p50_where_the_model_was_asked": {
            name: asked[name] - asked["diffusion"] for name in asked if name != "diffusion"
        },
        "asked_the_model": len(by_model.get("without", ())),
    }


async def run(args: Any) -> dict[str, Any]:
    service = Service(args.config, args.host)
    texts = [request.prompt for request in itertools.islice(requests(seed=0, side=64), 200)]
    mixed = [TOUCHY[i // 3 % len(TOUCHY)] if i % 3 == 0 else text for i, text in enumerate(texts)]
    return {
        "one_at_a_time": await one_at_a_time(service, mixed, args),
        "at_capacity": await at_capacity(service, texts, args),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures what the stack costs.")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "miniature.yaml")
    parser.add_argument("--host", default="http://127.0.0.1:8000")
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--single", type=int, default=100)
    args = parser.parse_args()
    ray.init("auto", log_to_driver=False, logging_level="ERROR")
    print(json.dumps(asyncio.run(run(args))))


if __name__ == "__main__":
    main()
