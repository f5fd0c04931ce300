"""The guard dies while requests are under way: callers get 503, nothing unchecked comes out."""

import threading
import time
from collections.abc import Callable

import httpx
import psutil
import pytest

from tests.cluster.conftest import RECOVERY_SECONDS, Cluster, wait_until

URL = "/v1/images/generations"
CALLERS = 4


class Callers:
    """A few clients that ask again and again until they are told to stop."""

    def __init__(self, url: str) -> None:
        self.answers: list[httpx.Response] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(CALLERS)]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def statuses(self) -> set[int]:
        return {answer.status_code for answer in self.answers}

    def _ask(self, seed: int) -> None:
        with httpx.Client(base_url=self._url, timeout=180) as http:
            while not self._stop.is_set():
                answer = http.post(URL, json={"prompt": "a dog in a park", "seed": seed})
                self.answers.append(answer)
                time.sleep(0.2)


def kill_replica(cluster: Cluster) -> None:
    cluster.replicas("guard")[-1].kill()


def kill_engine(cluster: Cluster) -> None:
    guard_engine(cluster).kill()


def guard_engine(cluster: Cluster) -> psutil.Process:
    replica = cluster.replicas("guard")[-1]
    family = {child.pid for child in replica.children(recursive=True)}
    (engine,) = [engine for engine in cluster.engines() if engine.pid in family]
    return engine


@pytest.mark.parametrize("kill", [pytest.param(kill_replica, marks=pytest.mark.long), kill_engine])
def test_dead_guard_fails_closed_and_comes_back(cluster: Cluster, kill: Callable[[Cluster], None]):
    replica = cluster.replicas("guard")[-1]
    family = replica.children(recursive=True)  # the engine, its workers, their helpers
    assert guard_engine(cluster) in family
    with Callers(cluster.url) as callers:
        wait_until(lambda: 200 in callers.statuses(), 120, "a first picture")
        kill(cluster)
        wait_until(lambda: 503 in callers.statuses(), 120, "a caller is told")
        wait_until(lambda: not alive([replica]), 120, "the replica ends")
        wait_until(lambda: not alive(family), 30, "no engine process outlives its replica")
        wait_until(cluster.ready, RECOVERY_SECONDS, "the service recovers")
        seen = len(callers.answers)
        wait_until(
            lambda: any(a.status_code == 200 for a in callers.answers[seen:]), 120, "a new picture"
        )
    for answer in callers.answers:
        assert answer.status_code in (200, 503)
        (checked if answer.status_code == 200 else told_to_wait)(answer)
    assert guard_engine(cluster) not in family


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; one that ended and waits to be reaped does not."""
    running = [process for process in processes if process.is_running()]
    return [process for process in running if status(process) != psutil.STATUS_ZOMBIE]


def status(process: psutil.Process) -> str:
    try:
        return process.status()
    except psutil.NoSuchProcess:
        return psutil.STATUS_ZOMBIE


def checked(answer: httpx.Response) -> None:
    """A delivered picture has a guard's verdict and a clean verdict of the classifier's."""
    stages = answer.json()["safety"]["stages"]
    (drawn,) = [n for n, stage in enumerate(stages) if stage["stage"] == "diffusion"][-1:]
    assert any(stage["action"] in ("allow", "steer") for stage in stages[:drawn])
    assert stages[-1]["stage"] == "classifier"
    assert stages[-1]["action"] == "pass"


def told_to_wait(answer: httpx.Response) -> None:
    body = answer.json()
    assert "data" not in body
    assert body["error"]["code"] == "safety_unavailable"
    assert body["safety"]["decision"] == "unavailable"
    assert 1 <= int(answer.headers["retry-after"]) <= 120
