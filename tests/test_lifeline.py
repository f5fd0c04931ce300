"""Children end with their parent, however it ends."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from deployments.lifeline import VARIABLE, Lifeline

PARENT = """
import signal, subprocess, sys, time
from deployments.lifeline import Lifeline
# A test run in a shell's background inherits SIGINT ignored, and so would this process.
signal.signal(signal.SIGINT, signal.default_int_handler)
lifeline = Lifeline()
with lifeline.marking():
    # A child in a session of its own, with a child: as an engine and its worker.
    child = subprocess.Popen(
        ["sh", "-c", "sleep 600 & echo $!; wait"],
        start_new_session=True,
        stdout=subprocess.PIPE,
        text=True,
    )
# One process alone writes to the pipe that the test reads: two may write into each other's line.
print(child.pid, child.stdout.readline().strip(), flush=True)
time.sleep(600)
"""


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until_dead(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while any(map(alive, pids)):
        assert time.monotonic() < deadline, "a child outlived its parent"
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_descendants_of_a_killed_process_are_killed(number):
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True
    ) as parent:
        pids = list(map(int, parent.stdout.readline().split()))
        assert len(pids) == 2
        assert all(map(alive, pids))
        parent.send_signal(number)
        parent.wait(10)
    wait_until_dead(pids)


def test_cutting_kills_marked_processes_and_no_others():
    lifeline = Lifeline()
    bystander = subprocess.Popen(["sleep", "600"])
    with lifeline.marking():
        marked = subprocess.Popen(["sleep", "600"])
    assert VARIABLE not in os.environ
    lifeline.cut()
    assert marked.wait(10) == -signal.SIGKILL
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()
    lifeline.cut()
