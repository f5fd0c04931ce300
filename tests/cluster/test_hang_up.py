"""Clients that hang up amid a generation: the denoiser stops, and others are served."""

import asyncio
import time

import httpx

URL = "/v1/images/generations"
CLIENTS = 100
STEPS = 100


async def test_work_stops_within_one_step_each_and_others_are_served(cluster, denoiser):
    before = denoiser()
    async with httpx.AsyncClient(
        base_url=cluster.url, timeout=300, limits=httpx.Limits(max_connections=CLIENTS)
    ) as http:
        body = {"prompt": "a man in a park", "num_inference_steps": STEPS}
        asked = [
            asyncio.create_task(http.post(URL, json=body | {"seed": seed}))
            for seed in range(CLIENTS)
        ]
        await until(lambda: denoiser()["calls"] > before["calls"] + 3, 120)
        for task in asked:
            task.cancel()
        ended = await asyncio.gather(*asked, return_exceptions=True)
    hung_up = denoiser()
    assert sum(isinstance(end, asyncio.CancelledError) for end in ended) >= CLIENTS - 5
    await until(lambda: denoiser()["jobs"] == 0, 30)
    stopped = denoiser()
    assert stopped["calls"] - hung_up["calls"] <= CLIENTS
    await asyncio.sleep(5)
    assert denoiser()["calls"] == stopped["calls"]
    assert stopped["calls"] - before["calls"] < CLIENTS * STEPS / 10

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
