"""Does a picture depend on what is drawn beside it?

For every family of schedulers, ten requests with different prompts, steps, guidance and seeds are
drawn one by one, and again by the engine, where they join one after the other. What is given is the
largest difference of any pixel in [0, 1]; beside it the one that the narrower dtype alone makes,
without any batch. Then, how far a turn in mid-schedule carries the next sample, over DDIM's.
"""

import asyncio
import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deployments.contracts import GenerationRequest, Watch
from deployments.diffusion.config import DiffusionConfig
from deployments.diffusion.engine.calls import Ask, Call
from deployments.diffusion.engine.engine import Engine, Program, Result
from deployments.diffusion.engine.schedule import Demand
from deployments.diffusion.loading import load_samplers, start_engine
from deployments.diffusion.sampling.sampler import Sampler
from deployments.ops.serve_config import read_serve_config
from evaluation.common.intervals import Estimate, single
from evaluation.common.measurement import Declared, Measurement, Row
from evaluation.engine.turn_move import first_order, move

FAMILIES: Mapping[str, tuple[str, dict[str, Any]]] = {
    "DDIM": ("DDIMScheduler", {"clip_sample": False}),
    "Euler": ("EulerDiscreteScheduler", {}),
    "Euler, Karras": ("EulerDiscreteScheduler", {"use_karras_sigmas": True}),
    "Euler ancestral": ("EulerAncestralDiscreteScheduler", {}),
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DPM++ 2M SDE": ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"}),
    "UniPC": ("UniPCMultistepScheduler", {}),
    "LCM": ("LCMScheduler", {}),
    "PNDM": ("PNDMScheduler", {"skip_prk_steps": True}),
    "Heun": ("HeunDiscreteScheduler", {}),
}
"""Scheduler class and options of each family."""
UNSTEERABLE = ("PNDM", "Heun")
KINDS: Mapping[str, dict[str, Any]] = {
    "plain": {},
    "steered": {"steer": True, "strength": 1.0, "category": "violence"},
    "turned": {
        # A threshold that every picture passes: all are turned, each in the middle of its schedule.
        "watch": Watch(check_points=(0.4,), thresholds={"violence": 0.0}, strength=1.0)
    },
}
"""What is special about the requests of a row. All but the first need a steerable scheduler."""
SIZE = 64
DTYPES = ("float32", "bfloat16")
PROMPTS = (
    "a woman in a park with a ball",
    "two men at a party",
    "a doctor reading a book",
    "a warrior with a sword",
    "a child on a beach with a kite",
    "a dog beside a red house",
)
Job: TypeAlias = tuple[Program[Result], Demand]


@dataclass(frozen=True)
class Finished:
    """What a generation ended with: latents (1, C, h, w), pixels (H, W, 3) in [0, 1]; float32."""

    latents: NDArray[np.float32]
    pixels: NDArray[np.float32]


@dataclass(frozen=True)
class Deviation:
    """Largest absolute differences between pictures that should be the same."""

    latents: float
    pixels: float


def finished(sampler: Sampler, request: GenerationRequest, ask: Ask) -> Finished:
    """Draws a picture and keeps its latents: the last call, the decoder's, is given them."""
    last: list[Call] = []

    def overheard(call: Call) -> Any:
        last[:] = [call]
        return ask(call)

    pixels = sampler.draw(request, overheard).pixels
    return Finished(last[0].args[0].float().cpu().numpy(), pixels)


async def together(engine: Engine, jobs: Sequence[Job[Result]], calls: int = 2) -> list[Result]:
    """Runs programs at once; each joins when the one before it has asked for `calls` calls."""
    loop, under_way = asyncio.get_running_loop(), [asyncio.Event() for _ in jobs]

    async def one(place: int, program: Program[Result], demand: Demand) -> Result:
        if place:
            await under_way[place - 1].wait()
        asked = itertools.count(1)

        def counted(ask: Ask) -> Result:
            def counting(call: Call) -> Any:
                if next(asked) == calls:
                    loop.call_soon_threadsafe(under_way[place].set)
                return ask(call)

            return program(counting)

        try:
            return await engine.run(counted, demand, let_in=True)
        finally:
            under_way[place].set()

    return await asyncio.gather(*(one(place, *job) for place, job in enumerate(jobs)))


def deviation(some: Sequence[Finished], others: Sequence[Finished]) -> Deviation:
    """The largest over all pairs."""
    pairs = list(zip(some, others, strict=True))
    return Deviation(
        max(float(np.abs(one.latents - other.latents).max()) for one, other in pairs),
        max(float(np.abs(one.pixels - other.pixels).max()) for one, other in pairs),
    )


def requests(count: int, changes: Mapping[str, Any]) -> list[GenerationRequest]:
    """Requests of 8 to 30 steps with guidance from none to much; always the same ones."""
    rng = random.Random("batched")
    return [
        GenerationRequest(
            request_id=f"batched-{seed}",
            prompt=rng.choice(PROMPTS),
            seed=seed,
            steps=rng.randint(8, 30),
            guidance_scale=(1.0, 3.0, 5.0, 7.5)[seed % 4],
            width=SIZE,
            height=SIZE,
            **changes,
        )
        for seed in range(count)
    ]


async def drawn_twice(
    config: DiffusionConfig, wanted: Sequence[GenerationRequest]
) -> tuple[list[Finished], list[Finished]]:
    """The pictures drawn one by one, and the same ones drawn together."""
    sampler = load_samplers(config).text_to_image
    alone = [finished(sampler, request, Call.run) for request in wanted]
    jobs = [(partial(finished, sampler, request), sampler.demand(request)) for request in wanted]
    engine = start_engine(sampler, config)
    try:
        return alone, await together(engine, jobs)
    finally:
        await asyncio.to_thread(engine.close)


class Batched(Measurement):
    """Largest differences by family of schedulers, plain, steered and turned."""

    name = "batched"
    question = "Does a picture depend on what is drawn beside it?"
    minutes = 40
    shard = 1
    declared: ClassVar = {
        "float32": Declared("largest difference of a pixel in [0, 1], float32", goal="≤ 0.001"),
        "bfloat16": Declared("largest difference of a pixel in [0, 1], bfloat16"),
        "float32/*": Declared("largest difference of a pixel, float32: *"),
        "bfloat16/*": Declared("largest difference of a pixel, bfloat16: *"),
        "rounding/*": Declared("bfloat16 beside float32, both drawn alone: *"),
        "turn/*": Declared("how far a turn moves the next sample, over DDIM's step: *"),
        "turn_with_history/*": Declared("the same if the history were kept: *"),
    }

    def items(self) -> Sequence[tuple[str, str]]:
        """(family, kind) of pictures."""
        families = list(FAMILIES)[: self.options.of(len(FAMILIES))]
        both = [(family, kind) for family in families for kind in KINDS]
        return [(f, kind) for f, kind in both if kind == "plain" or f not in UNSTEERABLE]

    async def start(self) -> None:
        served = read_serve_config(self.options.config)["applications"][0]["args"]["diffusion"]
        # Room for all of them in one call, however long it takes.
        count = self.options.of(10)
        room = {"max_rows": 3 * count, "max_waiting": count, "max_backlog_seconds": 1e6}
        base = DiffusionConfig.model_validate(served | room | {"threads": self.options.threads})
        self._base = base

    async def measure(self, items: Sequence[tuple[str, str]]) -> list[Row]:
        return [await self._row(family, kind) for family, kind in items]

    async def _row(self, family: str, kind: str) -> Row:
        """The deviations in each dtype, and `rounding`: of bfloat16 from float32."""
        scheduler, options = FAMILIES[family]
        steering = None if family in UNSTEERABLE else self._base.steering
        own = {"scheduler": scheduler, "scheduler_options": options, "steering": steering}
        wanted = requests(self.options.of(10), KINDS[kind])
        drawn = {
            dtype: await drawn_twice(self._base.model_copy(update=own | {"dtype": dtype}), wanted)
            for dtype in DTYPES
        }
        found = {dtype: deviation(*both).pixels for dtype, both in drawn.items()}
        return found | {"rounding": deviation(*(alone for alone, _ in drawn.values())).pixels}

    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        items, found = self.items(), dict[str, Estimate]()
        for dtype in DTYPES:
            found[dtype] = single(max(row[dtype] for row in rows), len(rows))
        for (family, kind), row in zip(items, rows, strict=True):
            name = family if kind == "plain" else f"{family}, {kind}"
            found |= {f"{of}/{name}": single(row[of]) for of in (*DTYPES, "rounding")}
        for family in dict.fromkeys(f for f, _ in items if f not in UNSTEERABLE):
            own = FAMILIES[family]
            for key, forget in (("turn", True), ("turn_with_history", False)):
                found[f"{key}/{family}"] = single(move(*own, forget=forget) / first_order(*own))
        return found


MEASUREMENT = Batched
