"""Clients that hang up amid their pictures: the rows are free at once, and others are served."""

import asyncio
import time
from typing import Any

import httpx
import pytest

from tests.cluster.test_edits import PORTRAIT

STEPS = 100


def generation(seed: int, **fields: Any) -> dict[str, Any]:
    """A request for a picture from text, as `httpx` takes it."""
    body = {"prompt": "a dog in a park", "seed": seed, "rewrite": "off"}
    return {"url": "/v1/images/generations", "json": body | fields}


def edit(seed: int, **fields: Any) -> dict[str, Any]:
    """The same for an edit."""
    form = {"prompt": "make them smile", "seed": str(seed), "rewrite": "off"}
    form |= {name: str(value) for name, value in fields.items()}
    return {"url": "/v1/images/edits", "data": form, "files": {"image": PORTRAIT}}


@pytest.mark.parametrize(
    ("wanted", "clients"),
    [(generation, 200), pytest.param(edit, 100, marks=pytest.mark.long)],
)
async def test_rows_are_free_within_one_call_and_others_are_served(
    cluster, denoiser, wanted, clients
):
    before = denoiser()
    async with httpx.AsyncClient(
        base_url=cluster.url, timeout=300, limits=httpx.Limits(max_connections=clients)
    ) as http:
        asked = [
            asyncio.create_task(http.post(**wanted(seed, num_inference_steps=STEPS)))
            for seed in range(clients)
        ]
        # By then the others are on their way, or have waited for the guard beyond its deadline.
        await until(lambda: denoiser()["jobs"] >= clients // 2, 120)
        under_way = denoiser()["jobs"]
        for task in asked:
            task.cancel()
        ended = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(end, asyncio.CancelledError) for end in ended) >= clients // 2
    await until(lambda: denoiser()["jobs"] == 0, 30)
    stopped = denoiser()
    assert stopped["calls_after_cancel"] <= 1
    assert stopped["cancelled"] - before["cancelled"] >= under_way
    await asyncio.sleep(5)
    assert denoiser()["calls"] == stopped["calls"]
    assert stopped["rows"] - before["rows"] < clients * STEPS  # half of what was asked for, or less

    async with httpx.AsyncClient(base_url=cluster.url, timeout=180) as http:
        answers = await asyncio.gather(*(http.post(**wanted(seed)) for seed in range(4)))
    assert [answer.status_code for answer in answers] == [200] * 4


async def test_a_stream_that_is_left_frees_its_rows(cluster, denoiser):
    before = denoiser()
    async with httpx.AsyncClient(base_url=cluster.url, timeout=180) as http:
        wanted = generation(1, num_inference_steps=STEPS, stream=True)
        async with http.stream("POST", **wanted) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            await until(lambda: denoiser()["jobs"] >= 1, 30)
    await until(lambda: denoiser()["jobs"] == 0, 30)
    stopped = denoiser()
    assert stopped["cancelled"] > before["cancelled"]
    assert stopped["rows"] - before["rows"] < 2 * STEPS


async def until(true, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(true):
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        await asyncio.sleep(0.05)
