"""Offers three times the capacity, on the machine of a running service.

    python -m loadtest.overload

A closed loop finds the capacity. Then a Poisson process offers three times as many requests; a
caller who is told to come back does so once, at the time named, also after the end. Then the
capacity is measured again: where the two differ, the machine had other work, and the goodput over
their mean says little.

Ends with one JSON line, and fails if something was wrong: a 5xx, a request without an answer, a
refusal without a time or out of form, memory that grew beyond its bound, a service that no longer
draws. A replica that is added meanwhile is growth too: configure `max_replicas: 1` for this.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import psutil
from pydantic import BaseModel, ConfigDict, ValidationError
from tqdm import tqdm

from deployments.contracts import Safety
from deployments.ops.service import MARK
from loadtest import prompts

IMAGES = "/v1/images/generations"
STEPS = 20
OVERLOAD = 3.0
WARM_UP_SECONDS = 10.0
PATIENCE_SECONDS = 300.0
"""Longest wait for an answer; the service's own deadlines are shorter."""
GROWTH_BYTES = 512 * 2**20
"""Most that the service's memory may grow: hundreds of open connections, and a full queue."""
NO_ANSWER = 0


class Error(BaseModel):
    """An error in OpenAI's form."""

    model_config = ConfigDict(extra="allow")

    message: str
    type: str
    param: str | None
    code: str


class Refusal(BaseModel):
    """The body of a refusal: OpenAI's, and ours beside it."""

    model_config = ConfigDict(extra="forbid")

    error: Error
    safety: Safety


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        status: of HTTP; 0 if nothing came.
        sent: when it was asked, in seconds from the beginning.
        done: when the answer was whole.
        back: the caller had been refused, and came back at the time that it was told.
        told: seconds of the `Retry-After` header, if there is one.
        formed: the body of a refusal has its form; true for all others.
        drawn: pictures that the service drew for it; those of a refusal were in vain.
    """

    status: int
    sent: float
    done: float
    back: bool = False
    told: int | None = None
    formed: bool = True
    drawn: int = 0

    @property
    def seconds(self) -> float:
        return self.done - self.sent


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """Times of a Poisson process, in [0, seconds)."""
    chance, time_of = random.Random(seed), 0.0
    times = []
    while (time_of := time_of + chance.expovariate(rate)) < seconds:
        times.append(time_of)
    return times


def formed(body: bytes) -> bool:
    """Whether the body of a refusal is an error in OpenAI's form, with the trace."""
    try:
        Refusal.model_validate_json(body)
    except ValidationError:
        return False
    return True


def per_second(answers: Sequence[Answer], start: float, end: float) -> float:
    """Pictures delivered in [start, end), a second."""
    return sum(a.status == 200 and start <= a.done < end for a in answers) / (end - start)


def summary(
    capacities: Sequence[float], answers: Sequence[Answer], seconds: float
) -> dict[str, Any]:
    """What callers saw of an overload, beside the capacities measured before and after.

    Goodput leaves out the same first seconds as the capacities do: both begin with no picture under
    way, and the first ones take as long as they take.
    """
    served = [a.seconds for a in answers if a.status == 200]
    refusals = [a for a in answers if a.status == 429]
    told = [a.told for a in refusals if a.told is not None]
    goodput = per_second(answers, WARM_UP_SECONDS, seconds)
    return {
        "capacities_per_s": [round(capacity, 3) for capacity in capacities],
        "goodput_per_s": round(goodput, 3),
        "goodput_over_capacity": round(goodput / float(np.mean(capacities)), 3),
        "statuses": {str(s): n for s, n in sorted(Counter(a.status for a in answers).items())},
        "retry_after_s": {
            "median": float(np.median(told)) if told else None,
            "max": max(told, default=None),
        },
        "refusals_without_time": len(refusals) - len(told),
        "refusals_out_of_form": sum(not a.formed for a in refusals),
        "refusals_after_drawing": sum(a.drawn > 0 for a in refusals),
        "back_in_overload": _let_in([a for a in answers if a.back and a.sent < seconds]),
        "back_later": _let_in([a for a in answers if a.back and a.sent >= seconds]),
        "back": _let_in([a for a in answers if a.back]),
        "served_seconds": {
            "p50": round(float(np.percentile(served, 50)), 2) if served else None,
            "p99": round(float(np.percentile(served, 99)), 2) if served else None,
        },
    }


def _let_in(back: Sequence[Answer]) -> dict[str, Any]:
    """The number of callers who came back and got a picture or the policy's refusal."""
    kept = sum(a.status in (200, 400) for a in back)
    return {"came": len(back), "let_in": kept, "share": round(kept / max(len(back), 1), 3)}


def wrong(found: dict[str, Any]) -> list[str]:
    """The faults that were seen, a sentence each."""
    statuses = {int(status): count for status, count in found["statuses"].items()}
    happened = {
        "server errors": any(status >= 500 for status in statuses),
        "requests without an answer": NO_ANSWER in statuses,
        "refusals without a time": found["refusals_without_time"] > 0,
        "refusals out of form": found["refusals_out_of_form"] > 0,
        "memory beyond its bound": found["memory_mb"]["peak"] > found["memory_mb"]["bound"],
        "no picture afterwards": not found["draws_afterwards"],
    }
    return [what for what, did in happened.items() if did]


class Callers:
    """All who ask. Prompts and seeds are the same in every run."""

    def __init__(self, http: httpx.AsyncClient, seed: int) -> None:
        random.seed(seed)  # of the prompts
        self._http, self._seeds = http, itertools.count(seed)
        self._began = time.monotonic()
        self.answers: list[Answer] = []
        self._bar = tqdm(unit=" answers")

    def now(self) -> float:
        return time.monotonic() - self._began

    def begin(self) -> None:
        """Starts the time and the answers anew."""
        self._began, self.answers = time.monotonic(), []

    async def capacity(self, clients: int, seconds: float) -> float:
        """Pictures a second when n callers each ask again as soon as they are answered."""
        self.begin()
        await asyncio.gather(*(self._loop(seconds) for _ in range(clients)))
        return per_second(self.answers, WARM_UP_SECONDS, seconds)

    async def call(self, at: float) -> None:
        """One caller, who comes back once if told to."""
        await asyncio.sleep(max(at - self.now(), 0.0))
        body = self._body()
        answer = await self._ask(body, back=False)
        if answer.status == 429 and answer.told is not None:
            await asyncio.sleep(answer.told)
            await self._ask(body, back=True)

    async def draws(self) -> bool:
        """Whether one more caller gets an answer other than a refusal."""
        return (await self._ask(self._body(), back=False)).status in (200, 400)

    async def _loop(self, until: float) -> None:
        while self.now() < until:
            answer = await self._ask(self._body(), back=False)
            await asyncio.sleep(min(answer.told or 0, max(until - self.now(), 0.0)))

    def _body(self) -> dict[str, Any]:
        return {
            "prompt": prompts.benign(),
            "n": 1,
            "num_inference_steps": STEPS,
            "seed": next(self._seeds),
        }

    async def _ask(self, body: dict[str, Any], *, back: bool) -> Answer:
        sent = self.now()
        try:
            response = await self._http.post(IMAGES, json=body)
        except httpx.HTTPError:
            answer = Answer(NO_ANSWER, sent, self.now(), back)
        else:
            answer = _read(response, sent, self.now(), back)
        self.answers.append(answer)
        self._bar.update()
        self._bar.set_postfix(Counter(str(a.status) for a in self.answers), refresh=False)
        return answer


def _read(response: httpx.Response, sent: float, done: float, back: bool) -> Answer:
    refused = response.status_code == 429
    told = response.headers.get("retry-after", "")
    well = not refused or formed(response.content)
    drawn = len(response.json()["safety"]["tries"]) if refused and well else 0
    return Answer(
        response.status_code, sent, done, back, int(told) if told.isdecimal() else None, well, drawn
    )


class Memory:
    """Resident bytes of everything that the service started; pages in common count for each."""

    def __init__(self, port: int) -> None:
        self._mark = _mark(port)
        self.before = self.peak = self.after = self._bytes()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Looks each second."""
        self.before = self.peak = await asyncio.to_thread(self._bytes)
        watching = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            watching.cancel()
            self.after = await asyncio.to_thread(self._bytes)

    def in_mb(self) -> dict[str, int]:
        bound = self.before + GROWTH_BYTES
        seen = {"before": self.before, "peak": self.peak, "after": self.after, "bound": bound}
        return {when: size // 2**20 for when, size in seen.items()}

    async def _watch(self) -> None:
        while True:
            self.peak = max(self.peak, await asyncio.to_thread(self._bytes))
            await asyncio.sleep(1)

    def _bytes(self) -> int:
        return sum(size for size in _each(self._size))

    def _size(self, process: psutil.Process) -> int:
        return process.memory_info().rss if process.environ().get(MARK) == self._mark else 0


def _mark(port: int) -> str:
    """What all processes of the service that listens at a port have in their environment.

    Raises:
        SystemExit: nobody listens there, or it was not started by `make serve`.
    """
    listening = {
        c.pid
        for c in psutil.net_connections("tcp")
        if c.status == psutil.CONN_LISTEN and c.laddr.port == port
    }
    for process in psutil.process_iter():
        if process.pid in listening and (mark := process.environ().get(MARK)):
            return mark
    raise SystemExit(f"at port {port} there is no service of this machine's `make serve`")


def _each(asked: Callable[[psutil.Process], int]) -> Iterator[int]:
    for process in psutil.process_iter():
        try:
            yield asked(process)
        except psutil.Error:
            continue  # it has ended, or is another user's


async def measure(host: str, clients: int, closed: float, seconds: float, seed: int) -> dict:
    """Capacity, overload, and what was seen."""
    url = httpx.URL(host)
    memory = Memory(url.port or 80)
    async with httpx.AsyncClient(
        base_url=url,
        timeout=PATIENCE_SECONDS,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=100),
    ) as http:
        callers = Callers(http, seed)
        before = await callers.capacity(clients, closed)
        if not before:
            raise SystemExit(f"no picture in the closed loop: {callers.answers[:3]}")
        callers.begin()
        times = arrivals(OVERLOAD * before, seconds, seed)
        async with memory.watched():
            await asyncio.gather(*map(callers.call, times))
        answers, draws = list(callers.answers), await callers.draws()
        after = await callers.capacity(clients, closed)
    found = summary([before, after], answers, seconds)
    return found | {"memory_mb": memory.in_mb(), "draws_afterwards": draws}


def main() -> int:
    parser = argparse.ArgumentParser(description="Shows what three times the capacity does.")
    parser.add_argument("--host", default="http://127.0.0.1:8000")
    parser.add_argument("--clients", type=int, default=32, help="of the closed loop")
    parser.add_argument("--closed", type=float, default=60, help="seconds of each closed loop")
    parser.add_argument("--seconds", type=float, default=120, help="of overload")
    parser.add_argument("--seed", type=int, default=7)
    args = parser.parse_args()
    found = asyncio.run(measure(args.host, args.clients, args.closed, args.seconds, args.seed))
    found["wrong"] = wrong(found)
    print(json.dumps(found))
    return int(bool(found["wrong"]))


if __name__ == "__main__":
    sys.exit(main())
