"""Does a picture depend on what is drawn beside it? `python -m evaluation.engine.batched`.

For every family of schedulers, ten requests with different prompts, steps, guidance and seeds are
drawn one by one, and again by the engine, where they join one after the other. The table has the
largest difference of any latent, and of any pixel in [0, 1]; beside it the largest one that the
narrower dtype alone makes, without any batch. Then, how far a turn in mid-schedule carries the next
sample, over DDIM's. Ends with one JSON line: the pixels' differences, and the turns.
"""

import argparse
import asyncio
import itertools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from deployments.contracts import GenerationRequest, Watch
from deployments.diffusion.config import DiffusionConfig
from deployments.diffusion.engine.calls import Ask, Call
from deployments.diffusion.engine.engine import Engine, Program, Result
from deployments.diffusion.engine.schedule import Order
from deployments.diffusion.loading import load_samplers, start_engine
from deployments.diffusion.sampling.sampler import Sampler
from deployments.ops.serve_config import read_serve_config
from deployments.paths import ROOT
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
Job: TypeAlias = tuple[Program[Result], Order]


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
    """Runs programs at once; each joins when the one before it has asked for so many calls."""
    loop, under_way = asyncio.get_running_loop(), [asyncio.Event() for _ in jobs]

    async def one(place: int, program: Program[Result], order: Order) -> Result:
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
            return await engine.run(counted, order, let_in=True)
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


def drawn_twice(
    config: DiffusionConfig, wanted: Sequence[GenerationRequest]
) -> tuple[list[Finished], list[Finished]]:
    """The pictures drawn one by one, and the same ones drawn together."""
    sampler = load_samplers(config).text_to_image
    alone = [finished(sampler, request, Call.run) for request in wanted]
    jobs = [(partial(finished, sampler, request), sampler.order(request)) for request in wanted]
    engine = start_engine(sampler, config)
    try:
        return alone, asyncio.run(together(engine, jobs))
    finally:
        engine.close()


def measured(base: DiffusionConfig, family: str, kind: str, count: int) -> dict[str, Deviation]:
    """The deviations in each dtype, and `rounding`: of bfloat16 from float32, all drawn alone."""
    scheduler, options = FAMILIES[family]
    steering = None if family in UNSTEERABLE else base.steering
    own = {"scheduler": scheduler, "scheduler_options": options, "steering": steering}
    wanted = requests(count, KINDS[kind])
    drawn = {
        dtype: drawn_twice(base.model_copy(update=own | {"dtype": dtype}), wanted)
        for dtype in DTYPES
    }
    found = {dtype: deviation(*both) for dtype, both in drawn.items()}
    return found | {"rounding": deviation(*(alone for alone, _ in drawn.values()))}


def turn_over_ddim(family: str) -> dict[str, float]:
    """How far the turn carries, over DDIM's step: as served, and if history were kept."""
    own = FAMILIES[family]
    return {
        name: move(*own, forget=forget) / first_order(*own)
        for name, forget in (("served", True), ("with_history", False))
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Compares pictures drawn alone and together.")
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "miniature.yaml")
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--count", type=int, default=10, help="requests at once")
    parser.add_argument("--device", default="cpu", help="whatever the configuration says")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    served = read_serve_config(args.config)["applications"][0]["args"]["diffusion"]
    # Room for all of them in one call, however long it takes.
    room = {"max_rows": 3 * args.count, "max_waiting": args.count, "max_backlog_seconds": 1e6}
    here = {"device": args.device, "threads": args.threads}
    base = DiffusionConfig.model_validate(served | room | here)
    cases = [
        (family, kind)
        for family in args.families
        for kind in KINDS
        if kind == "plain" or family not in UNSTEERABLE
    ]
    parts = [(of, what) for of in (*DTYPES, "rounding") for what in ("latents", "pixels")]
    row = "{:<24}" + "{:>18}" * len(parts)
    tqdm.write(row.format("largest difference", *map(" ".join, parts)))
    figures: dict[str, dict[str, float]] = {}
    for family, kind in tqdm(cases, desc="drawing"):
        name = family if kind == "plain" else f"{family}, {kind}"
        found = measured(base, family, kind, args.count)
        tqdm.write(row.format(name, *(f"{getattr(found[of], what):.1e}" for of, what in parts)))
        figures[name] = {of: one.pixels for of, one in found.items()}
    turns = {
        family: turn_over_ddim(family) for family in args.families if family not in UNSTEERABLE
    }
    row = "{:<24}" + "{:>18}" * 2
    tqdm.write(row.format("turn over DDIM's", "served", "with history"))
    for family, turn in turns.items():
        tqdm.write(row.format(family, *(f"{value:.2f}" for value in turn.values())))
    print(json.dumps({"pixels": figures, "turn_over_ddim": turns}))


if __name__ == "__main__":
    main()
