"""`make serve`: it says when it is ready, ends whole on a signal, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
import yaml

from deployments.ops.service import MARK
from deployments.paths import ROOT
from tests.cluster.conftest import free_port, wait_until


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "toy.yaml"
    toy = {"name": "toy", "import_path": "tests.cluster.toy:build"}
    options = {"host": "127.0.0.1", "port": free_port()}
    path.write_text(yaml.safe_dump({"http_options": options, "applications": [toy]}))
    return path


@pytest.fixture
def serving(config: Path) -> Iterator[subprocess.Popen]:
    """The command, once it has said that it is ready; its output goes on to `stdout`."""
    command = [sys.executable, "-m", "deployments.ops.run", str(config)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout:
            if "is ready at" in line:
                break
        yield process
        process.terminate()
        process.wait(60)


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def descendants(process: subprocess.Popen) -> set[psutil.Process]:
    return set(psutil.Process(process.pid).children(recursive=True))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_every_process_within_a_minute(serving, number):
    started = descendants(serving)
    assert len(started) > 5  # Ray's daemons, the proxy, the replica and its child
    serving.send_signal(number)
    assert serving.wait(60) == 0
    # What was killed at the end may take a moment to be taken off the list.
    wait_until(lambda: not any(map(alive, started)), 5, "all that it started ends")


def test_even_when_it_is_killed_nothing_is_left(serving):
    started = descendants(serving)
    serving.kill()
    wait_until(lambda: not any(map(alive, started)), 30, "all that it started ends")


def test_killed_replica_takes_its_children_along_and_comes_back(serving, config):
    port = yaml.safe_load(config.read_text())["http_options"]["port"]
    url = f"http://127.0.0.1:{port}/"
    first = httpx.get(url).json()
    child = psutil.Process(first["child"])
    os.kill(first["replica"], signal.SIGKILL)
    wait_until(lambda: not child.is_running(), 20, "the child ends")

    def another() -> bool:
        answer = httpx.get(url, timeout=30)
        return answer.status_code == 200 and answer.json()["replica"] != first["replica"]

    wait_until(another, 60, "a new replica answers")


def test_every_process_carries_the_mark(serving):
    children = psutil.Process(serving.pid).children(recursive=True)
    without = [child.cmdline() for child in children if MARK not in child.environ()]
    # The watcher, which ends all others, is told the mark instead.
    assert [MARK in line[-1] for line in without] == [True]


def test_misspelt_configuration_is_refused_at_once(config):
    config.write_text(config.read_text().replace("applications", "aplications"))
    command = [sys.executable, "-m", "deployments.ops.run", str(config)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "applications" in ended.stderr
