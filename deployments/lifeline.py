"""Ends child processes when this one ends, in whatever way.

A killed process cannot clean up, and a library's children may not notice its end. So a watcher
process waits on a pipe that closes when this process ends, and then kills every process that has
inherited the mark in its environment. Ray's raylet does this only for its own workers.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "SAFELIGHT_LIFELINE"

WATCH = """
import glob, os, signal, sys, time
sys.stdin.buffer.read()
for _ in range(200):  # again until none is left: one may have been starting another
    found = False
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            with open(path, "rb") as file:
                if sys.argv[1].encode() in file.read().split(b"\\0"):
                    os.kill(int(path.split("/")[2]), signal.SIGKILL)
                    found = True
        except OSError:
            pass  # it has ended meanwhile, or is not ours
    if not found:
        break
    time.sleep(0.05)
"""
"""Runs in a bare interpreter. A process keeps its environment when its parent ends, but not its
parent's id."""


class Lifeline:
    """Ends the processes that carry its mark when this process ends or `cut` is called.

    A process may carry the marks of several lifelines, each in a variable of its own.

    Attributes:
        mark: the environment variable, by name, that marks a process.
    """

    def __init__(self, variable: str = VARIABLE) -> None:
        self._variable, value = variable, uuid.uuid4().hex
        self.mark = {variable: value}
        # Its own session, so that a Ctrl-C leaves it alive to do its work.
        self._watcher = subprocess.Popen(
            [sys.executable, "-ISc", WATCH, f"{variable}={value}"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name != variable},
        )

    @contextmanager
    def marking(self) -> Iterator[None]:
        """Processes that are started inside, and their descendants, carry the mark."""
        before = os.environ.get(self._variable)
        os.environ.update(self.mark)
        try:
            yield
        finally:
            if before is None:
                del os.environ[self._variable]
            else:
                os.environ[self._variable] = before

    def cut(self) -> None:
        """Kills all marked processes; returns when they are gone. A second call does nothing."""
        self._watcher.communicate()
