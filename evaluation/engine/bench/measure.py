"""One way under load: a closed loop for its throughput, a trace of arrivals for its latency."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from deployments.contracts import GenerationRequest
from deployments.diffusion.config import RetrySlots
from deployments.diffusion.engine.door import Door
from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.engine.row_cap import Clock, RowCosts
from deployments.diffusion.sampling.sampler import Sampler
from evaluation.engine.bench.baselines import Job, Run, Way, in_batches

STAGE = "bench"


@dataclass(frozen=True)
class Throughput:
    """A closed loop's steady part.

    Attributes:
        images_per_second: rows that ran, in images' worth of rows.
        images_per_cpu_second: the same by CPU time, for a machine that others use too.
        completed: images in that time; their rows differ, so this is the coarser count.
        seconds: how long it was.
        rows_per_call: mean rows of a denoiser call.
    """

    images_per_second: float
    images_per_cpu_second: float
    completed: int
    seconds: float
    rows_per_call: float


class Bench:
    """A sampler, what its denoiser costs, and the load put on them.

    Args:
        clients: each has one request under way at any time.
        rows_per_image: mean rows that an image takes.
    """

    def __init__(
        self, sampler: Sampler, costs: RowCosts, clients: int, rows_per_image: float
    ) -> None:
        self._sampler, self._costs = sampler, costs
        self._clients, self._rows_per_image = clients, rows_per_image
        self._shares: list[Run] = []  # `serve.batch` complains when it is dropped in a running loop

    async def throughput(
        self, way: Way, requests: Iterator[GenerationRequest], warm_up: float, seconds: float
    ) -> Throughput:
        """Images per second of clients that ask again as soon as they are answered.

        The window goes from the first answer after the warm-up to the first one `seconds` later:
        where answers come batch by batch, whole batches count. What is counted is the rows that
        ran, as every way spends the same rows on the same image; images at either end of the
        window would count for too much or too little.
        """
        answers: asyncio.Queue[None] = asyncio.Queue()

        async def client(run: Callable[[GenerationRequest], Any]) -> None:
            while True:
                await run(next(requests))
                answers.put_nowait(None)

        async with self._serving(way) as (run, engine):
            clients = [asyncio.create_task(client(run)) for _ in range(self._clients)]
            try:
                await _answer_after(warm_up, answers)
                before, begin, cpu = (
                    asdict(engine.counters),
                    time.perf_counter(),
                    time.process_time(),
                )
                await _answer_after(seconds, answers)
                if any(task.done() for task in clients):
                    raise RuntimeError("a client of the closed loop was lost")
                took, cpu = time.perf_counter() - begin, time.process_time() - cpu
                ran = {key: now - before[key] for key, now in asdict(engine.counters).items()}
            finally:
                for task in clients:
                    task.cancel()
                await asyncio.gather(*clients, return_exceptions=True)
        images = ran["rows"] / self._rows_per_image
        return Throughput(
            images_per_second=images / took,
            images_per_cpu_second=images / cpu,
            completed=ran["completed"],
            seconds=took,
            rows_per_call=ran["rows"] / ran["calls"],
        )

    async def latencies(
        self, way: Way, requests: Iterator[GenerationRequest], arrivals: Sequence[float]
    ) -> list[float]:
        """Seconds from each request's arrival to its answer, whatever else is under way."""
        async with self._serving(way) as (run, _):
            start = time.perf_counter()

            async def one(request: GenerationRequest, arrival: float) -> float:
                await asyncio.sleep(start + arrival - time.perf_counter())
                await run(request)
                return time.perf_counter() - start - arrival

            pairs = zip(arrivals, requests, strict=False)
            return await asyncio.gather(*(one(request, arrival) for arrival, request in pairs))

    @asynccontextmanager
    async def _serving(
        self, way: Way
    ) -> AsyncIterator[tuple[Callable[[GenerationRequest], Any], Engine]]:
        """The way on an engine of its own, whose door lets everybody in."""

        def cap(lane: Any) -> int:
            return self._costs.cap

        clock = Clock(self._costs)
        door = Door(STAGE, clock, 1_000_000, float("inf"), RetrySlots())
        engine = Engine(STAGE, way.discipline(cap), cap, clock, door)

        async def draw(job: Job) -> Any:
            drawing = await engine.run(partial(self._sampler.draw, job[0]), job[1])
            return await asyncio.to_thread(drawing.developed)

        share = draw if way.groups is None else in_batches(draw, way.groups, self._clients)
        self._shares.append(share)

        async def run(request: GenerationRequest) -> Any:
            return await share((request, way.demand(request, self._sampler.demand(request))))

        try:
            yield run, engine
        finally:
            await asyncio.to_thread(engine.close)


async def _answer_after(seconds: float, answers: asyncio.Queue[None]) -> None:
    """Waits for the first answer that is at least so far away."""
    deadline = time.perf_counter() + seconds
    while True:
        await answers.get()
        if time.perf_counter() >= deadline:
            return
