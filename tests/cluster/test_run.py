"""`make serve`: it says when it is ready, ends whole on a signal, and leaves nothing behind."""

import os
import re
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

COMMAND = [sys.executable, "-m", "deployments.ops.run"]


def write_config(path: Path, builder: str = "build") -> Path:
    toy = {"name": "toy", "import_path": f"tests.cluster.toy:{builder}"}
    options = {"host": "127.0.0.1", "port": free_port()}
    path.write_text(yaml.safe_dump({"http_options": options, "applications": [toy]}))
    return path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(tmp_path / "toy.yaml")


def until_ready(process: subprocess.Popen) -> str:
    """What the command says up to the line that it is ready."""
    said = ""
    for line in process.stdout:
        said += line
        if "is ready at" in line:
            return said
    raise AssertionError(f"it ended: {said}")


def log_of(said: str) -> str:
    """The content of the log that the command names."""
    named = re.search(r"print: (\S+\.log)", said)
    return (ROOT / named[1]).read_text(encoding="utf-8")


@pytest.fixture
def serving(config: Path) -> Iterator[subprocess.Popen]:
    """The command, once it has said that it is ready; its output goes on to `stdout`."""
    with subprocess.Popen(
        [*COMMAND, str(config)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        until_ready(process)
        yield process
        process.terminate()
        process.wait(60)


def run(config: Path, **variables: str) -> str:
    """What the command says, on both streams, until it is stopped once it is ready."""
    with subprocess.Popen(
        [*COMMAND, str(config)],
        cwd=ROOT,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        said = until_ready(process)
        process.terminate()
        said += process.stdout.read()
        assert process.wait(60) == 0
        return said


def test_terminal_has_the_steps_and_the_log_has_rays_lines(config):
    said = run(config)
    assert re.search(r"^  toy +up after \d+ s$", said, re.MULTILINE)
    assert "curl" in said
    assert "Submitted deploy config" not in said
    assert "Submitted deploy config" in log_of(said)


@pytest.mark.long
def test_rays_lines_are_shown_where_they_are_asked_for(config):
    said = run(config, VERBOSE="1")
    assert "Submitted deploy config" in said
    assert "Submitted deploy config" in log_of(said)


def test_failed_start_says_why_and_shows_the_end_of_the_log(tmp_path):
    config = write_config(tmp_path / "broken.yaml", "build_broken")
    ended = subprocess.run(
        [*COMMAND, str(config)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    cause, end = ended.stderr.split("The last lines of ")
    assert cause.strip().startswith("failed: broken: ")
    assert "RuntimeError: the toy has no batteries" in cause
    assert log_of(ended.stdout).endswith("\n".join(end.splitlines()[-3:]) + "\n")
    assert "is ready" not in ended.stdout


def test_failed_assembly_says_which_model_cannot_be_assembled(tmp_path):
    config = write_config(tmp_path / "odd.yaml")
    config.write_text(config.read_text() + "# embedded:unicorn\n")
    ended = subprocess.run(
        [*COMMAND, str(config)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "no embedded model is called 'unicorn'" in ended.stderr


def alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def descendants(process: subprocess.Popen) -> set[psutil.Process]:
    return set(psutil.Process(process.pid).children(recursive=True))


def check_marks(serving: subprocess.Popen) -> None:
    """Every process below the command has its mark in the environment."""
    children = psutil.Process(serving.pid).children(recursive=True)
    without = [child.cmdline() for child in children if MARK not in child.environ()]
    # The watcher, which ends all others, is told the mark instead.
    assert [MARK in line[-1] for line in without] == [True]


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM]
)
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
    check_marks(serving)


def test_misspelt_configuration_is_refused_at_once(config):
    config.write_text(config.read_text().replace("applications", "aplications"))
    ended = subprocess.run(
        [*COMMAND, str(config)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "applications" in ended.stderr
