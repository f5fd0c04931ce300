import asyncio
import itertools
from dataclasses import asdict

import pytest

from deployments.contracts import GenerationRequest
from deployments.diffusion.engine.row_cap import RowCosts
from deployments.diffusion.engine.schedule import Demand
from evaluation.common.measurement import figures
from evaluation.common.options import Options
from evaluation.engine.bench.baselines import (
    WAYS,
    Job,
    alike_groups,
    all_at_once,
    equal_first_in_first_out,
    in_batches,
    one_at_a_time,
    one_group,
)
from evaluation.engine.bench.figures import (
    ROW_STEPS_PER_IMAGE,
    against_step,
    latency_figures,
    limits,
    ratios,
)
from evaluation.engine.bench.measure import Throughput
from evaluation.engine.bench.run import EngineBench, rotated
from evaluation.engine.bench.traffic import GUIDANCE_SCALES, STEPS, arrivals, requests


def cap(lane: object) -> int:
    return 6


def demand(settings: float, rows: int = 2, lane: str = "small") -> Demand:
    return Demand(lane=lane, rows=rows, steps=10, settings=settings)


def ask(number: int, steps: int = 10, guidance: float = 5.0) -> GenerationRequest:
    return GenerationRequest(
        request_id=str(number),
        prompt="a park",
        seed=number,
        steps=steps,
        guidance_scale=guidance,
        width=64,
        height=64,
    )


def test_one_at_a_time_begins_the_oldest_when_nothing_runs():
    admit = one_at_a_time(cap)
    assert admit([demand(1), demand(1)], []) == [0]
    assert admit([demand(1)], [demand(1)]) == []
    assert admit([], []) == []


def test_all_at_once_begins_all():
    assert all_at_once(cap)([demand(1), demand(2)], [demand(3)]) == [0, 1]


def test_equal_ones_join_those_that_run():
    assert equal_first_in_first_out(cap)([demand(5), demand(5)], [demand(5)]) == [0, 1]


def test_an_unequal_head_holds_up_all_behind_it():
    admit = equal_first_in_first_out(cap)
    assert admit([demand(3), demand(5)], [demand(5)]) == []
    assert admit([demand(5), demand(3), demand(5)], []) == [0]
    assert admit([demand(5, lane="large"), demand(5)], [demand(5)]) == []


def test_the_row_cap_holds_for_equal_ones_too():
    admit = equal_first_in_first_out(cap)
    assert admit([demand(5)] * 5, []) == [0, 1, 2]
    assert admit([demand(5)] * 5, [demand(5)]) == [0, 1]
    assert admit([demand(5, rows=9)], []) == [0]  # alone, however large


def test_equal_means_equal_guidance_whatever_the_steps():
    way = WAYS["equal_fifo"]
    few, many, other = ask(0, steps=10), ask(1, steps=50), ask(2, guidance=3.0)
    settings = [way.demand(request, demand(0)).settings for request in (few, many, other)]
    assert settings[0] == settings[1] != settings[2]
    assert WAYS["step"].demand(few, demand(7)).settings == 7
    by_batch = [WAYS["request_batch"].demand(r, demand(0)).settings for r in (few, many)]
    assert by_batch[0] != by_batch[1]


def test_a_pipeline_call_takes_one_of_each_setting():
    jobs = [(ask(i), demand(settings)) for i, settings in enumerate((5, 3, 5, 3, 1))]
    jobs.append((ask(5), demand(5, lane="large")))
    assert [[int(job[0].request_id) for job in group] for group in alike_groups(jobs)] == [
        [0, 2],
        [1, 3],
        [4],
        [5],
    ]
    assert one_group(jobs) == [jobs]


async def test_a_batch_answers_when_all_its_groups_are_done():
    running, seen, answered = set[int](), list[set[int]](), list[int]()

    async def run(job: Job) -> int:
        number = int(job[0].request_id)
        running.add(number)
        await asyncio.sleep(0.01)
        seen.append(set(running))
        await asyncio.sleep(0.01)
        running.discard(number)
        return number

    share = in_batches(run, alike_groups, size=4)

    async def client(number: int, settings: float) -> int:
        answer = await share((ask(number), demand(settings)))
        answered.append(number)
        return answer

    clients = enumerate((5, 3, 5, 3, 5))
    assert await asyncio.gather(*itertools.starmap(client, clients)) == [0, 1, 2, 3, 4]
    assert seen == [{0, 2}, {0, 2}, {1, 3}, {1, 3}, {4}]
    assert sorted(answered[:4]) == [0, 1, 2, 3]


async def test_one_failure_fails_its_batch_and_no_other():
    async def run(job: Job) -> str:
        if job[0].request_id == "0":
            raise ValueError("broken")
        return job[0].request_id

    share = in_batches(run, one_group, size=2)
    jobs = [share((ask(number), demand(5))) for number in range(4)]
    answers = await asyncio.gather(*jobs, return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, ValueError, str, str]


def first(count: int, seed: int) -> list[GenerationRequest]:
    return list(itertools.islice(requests(seed, 64), count))


def test_every_way_gets_the_same_requests():
    assert first(50, seed=1) == first(50, seed=1)
    assert first(50, seed=1) != first(50, seed=2)


def test_all_settings_are_drawn():
    drawn = {(request.steps, request.guidance_scale) for request in first(500, seed=0)}
    assert drawn == set(itertools.product(STEPS, GUIDANCE_SCALES))


def test_an_image_costs_what_its_requests_say():
    drawn = first(20_000, seed=0)
    mean = sum(one.steps * (1 + (one.guidance_scale > 1)) for one in drawn) / len(drawn)
    assert mean == pytest.approx(ROW_STEPS_PER_IMAGE, rel=0.01)


def test_arrivals_come_at_their_rate_and_are_the_same_each_time():
    times = arrivals(rate=2.0, seconds=1000.0, seed=3)
    assert times == arrivals(rate=2.0, seconds=1000.0, seed=3)
    assert times == sorted(times)
    assert len(times) == pytest.approx(2000, rel=0.1)
    assert times[-1] < 1000.0


def test_each_way_comes_first_in_its_turn():
    assert [rotated(["a", "b", "c"], by)[0] for by in range(4)] == ["a", "b", "c", "a"]
    assert sorted(rotated(["a", "b", "c"], 2)) == ["a", "b", "c"]


def test_ratios_are_taken_within_a_repetition():
    assert ratios([2.0, 30.0, 4.0], [1.0, 10.0, 1.0]) == [2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match="argument"):
        ratios([1.0], [1.0, 2.0])


def test_every_way_is_beside_ours():
    assert against_step({"step": [2, 3], "one": [1, 1], "all": [2, 1]}) == {
        "one": [2.0, 3.0],
        "all": [1.0, 3.0],
    }


def test_latency_figures():
    found = latency_figures({"step": [[1.0] * 99 + [2.0]] * 2, "one": [[4.0] * 100] * 2})
    assert found["p50_over_one"].value == 0.25
    assert found["p99_over_one"].value == pytest.approx(0.2525, abs=0.003)
    assert found["p99_over_one"].n == 200


def test_limits_where_rows_halve_in_cost_and_no_further():
    costs = RowCosts(2, {1: 0.02, 2: 0.02, 4: 0.04})
    found = limits(costs, step=1.0)
    ceiling = 1 / (ROW_STEPS_PER_IMAGE * 0.01)
    assert found["share_of_ceiling"] == pytest.approx(1 / ceiling)
    # Only unguided requests, a quarter, gain by a second row: their step costs 20 ms instead of 10.
    assert found["most"] == pytest.approx((0.75 * 2 + 0.25 * 2) / 1.75)


def test_figures_of_a_whole_run_are_those_that_are_declared():
    bench = EngineBench(Options(count=1))
    rows = []
    for kind, _, name in bench.items():
        speed = 2.0 if name == "step" else 1.0
        throughput = Throughput(speed, speed, 10, 5.0, 8.0)
        rows.append(
            {"cap": 2, "seconds": [[1, 0.02], [2, 0.02], [4, 0.04]]}
            if kind == "costs"
            else asdict(throughput)
            if kind == "throughput"
            else {"spans": [1.0 / speed] * 10}
        )
    found = figures(bench.declared, bench.estimates(rows))
    assert found["step_over/one"].value == 2.0
    assert found["p99_over_one"].value == 0.5
    assert found["row_cap"].value == 2
