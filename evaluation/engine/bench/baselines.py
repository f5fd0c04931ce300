"""The ways of sharing the denoiser: ours, and what one would use instead.

A way is a queue discipline of our engine, and for request-level batching a handler before it.
Everything else is the same: pipeline, calls, decoder, row cap.
"""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ray import serve
from ray.serve import context
from ray.serve._private.common import DeploymentID, ReplicaID
from ray.serve._private.config import DeploymentConfig
from ray.serve.schema import ReplicaRank

from deployments.contracts import GenerationRequest
from deployments.diffusion.engine.schedule import Demand, QueueDiscipline, by_rows

Cap: TypeAlias = Callable[[Any], int]
"""Lane -> rows that one call may have."""
Job: TypeAlias = tuple[GenerationRequest, Demand]
Run: TypeAlias = Callable[[Job], Awaitable[Any]]

BATCH_WAIT_SECONDS = 0.1


def one_at_a_time(cap: Cap) -> QueueDiscipline:
    """The oldest begins when nothing runs."""
    return lambda waiting, begun: [0] if waiting and not begun else []


def all_at_once(cap: Cap) -> QueueDiscipline:
    """Whatever waits begins: the handler before the engine has chosen already."""
    return lambda waiting, begun: list(range(len(waiting)))


def equal_first_in_first_out(cap: Cap) -> QueueDiscipline:
    """Who is like those that run joins, at any step; who is not holds up all behind it.

    vLLM-Omni's step mode does so: it stops at the first request whose batch key differs.
    """

    def begin(waiting: Sequence[Demand], begun: Sequence[Demand]) -> list[int]:
        running = list(begun)
        for demand in waiting:
            rows = sum(other.rows for other in running) + demand.rows
            if running and (not _alike(demand, running[0]) or rows > cap(demand.lane)):
                break
            running.append(demand)
        return list(range(len(running) - len(begun)))

    return begin


def alike_groups(jobs: Iterable[Job]) -> list[list[Job]]:
    """Jobs divided as one call of a pipeline takes them: of one lane, with equal settings."""
    groups: dict[Hashable, list[Job]] = {}
    for job in jobs:
        groups.setdefault((job[1].lane, job[1].settings), []).append(job)
    return list(groups.values())


def one_group(jobs: Iterable[Job]) -> list[list[Job]]:
    """All jobs together, whatever their settings."""
    return [list(jobs)]


@dataclass(frozen=True)
class Way:
    """How requests share the denoiser.

    Attributes:
        discipline: who begins, given the row cap.
        groups: of the jobs of one `serve.batch`, those that run together, group after group;
            None: no such batches, each job goes to the engine when it comes.
        settings: what jobs that run together must have in common; None: nothing.
    """

    discipline: Callable[[Cap], QueueDiscipline]
    groups: Callable[[Iterable[Job]], list[list[Job]]] | None = None
    settings: Callable[[GenerationRequest], Hashable] | None = None

    def demand(self, request: GenerationRequest, demand: Demand) -> Demand:
        """The sampler's demand with this way's settings."""
        return replace(demand, settings=self.settings(request)) if self.settings else demand


WAYS = {
    "step": Way(by_rows),
    "one": Way(one_at_a_time),
    "request_batch": Way(
        all_at_once, alike_groups, lambda request: (request.guidance_scale, request.steps)
    ),
    "request_batch_mixed": Way(all_at_once, one_group),
    "equal_fifo": Way(equal_first_in_first_out, settings=lambda request: request.guidance_scale),
}


def in_batches(run: Run, groups: Callable[[Iterable[Job]], list[list[Job]]], size: int) -> Run:
    """Batches of requests by `serve.batch`: nobody joins one that runs, and all answers come
    together when it is done.

    Args:
        run: has one job run.
        groups: of a batch, those that run together.
        size: largest batch, in jobs.
    """
    _be_a_replica(size)

    @serve.batch(max_batch_size=size, batch_wait_timeout_s=BATCH_WAIT_SECONDS)
    async def batch(jobs: list[Job]) -> list[Any]:
        answers: dict[int, Any] = {}
        for group in groups(jobs):
            drawn = await asyncio.gather(*map(run, group))
            answers |= {id(job): answer for job, answer in zip(group, drawn, strict=True)}
        return [answers[id(job)] for job in jobs]

    return batch


def _alike(one: Demand, other: Demand) -> bool:
    return (one.lane, one.settings) == (other.lane, other.settings)


def _be_a_replica(max_ongoing: int) -> None:
    """Gives this process what `serve.batch` asks of its replica: how many requests it may have.

    The decorator is the real one; only the cluster is missing, and its local testing mode has no
    such context either (Ray 2.60).
    """
    context._set_internal_replica_context(
        replica_id=ReplicaID("bench", DeploymentID("bench")),
        servable_object=in_batches,
        _deployment_config=DeploymentConfig(max_ongoing_requests=max_ongoing),
        rank=ReplicaRank(rank=0, node_rank=0, local_rank=0),
        world_size=1,
    )
