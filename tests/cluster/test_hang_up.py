"""Clients that hang up amid their generations: the rows are free at once, and others are served."""

import asyncio
import time

import httpx

URL = "/v1/images/generations"
CLIENTS = 200
STEPS = 100


async def test_rows_are_free_within_one_call_and_others_are_served(cluster, denoiser):
    before = denoiser()
    async with httpx.AsyncClient(
        base_url=cluster.url, timeout=300, limits=httpx.Limits(max_connections=CLIENTS)
    ) as http:
        body = {"prompt": "a dog in a park", "num_inference_steps": STEPS, "rewrite": "off"}
        asked = [
            asyncio.create_task(http.post(URL, json=body | {"seed": seed}))
            for seed in range(CLIENTS)
        ]
        # By then the others are on their way, or have waited for the guard beyond its deadline.
        await until(lambda: denoiser()["jobs"] >= CLIENTS // 2, 120)
        under_way = denoiser()["jobs"]
        for task in asked:
            task.cancel()
        ended = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(end, asyncio.CancelledError) for end in ended) >= CLIENTS // 2
    await until(lambda: denoiser()["jobs"] == 0, 30)
    stopped = denoiser()
    assert stopped["calls_after_cancel"] <= 1
    assert stopped["cancelled"] - before["cancelled"] >= under_way
    await asyncio.sleep(5)
    assert denoiser()["calls"] == stopped["calls"]
    assert stopped["rows"] - before["rows"] < CLIENTS * STEPS  # half of what was asked for

    async with httpx.AsyncClient(base_url=cluster.url, timeout=180) as http:
        answers = await asyncio.gather(
            *(http.post(URL, json={"prompt": "a dog in a park", "seed": n}) for n in range(4))
        )
    assert [answer.status_code for answer in answers] == [200] * 4


async def until(true, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(true):
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        await asyncio.sleep(0.05)
