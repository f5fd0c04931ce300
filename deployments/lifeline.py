"""Child processes that never outlive us, however we end.

A process that is killed cannot clean up, and a library's own children may not watch for it. So a
small watcher waits on a pipe that closes when we do, and then kills every process that inherited
our mark. Ray's raylet can do the same for its workers; this holds wherever the code runs.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLE = "SAFELIGHT_LIFELINE"

WATCH = """
import glob, os, signal, sys
sys.stdin.buffer.read()
for path in glob.glob("/proc/[0-9]*/environ"):
    try:
        with open(path, "rb") as file:
            if sys.argv[1].encode() in file.read().split(b"\\0"):
                os.kill(int(path.split("/")[2]), signal.SIGKILL)
    except OSError:
        pass  # it has ended meanwhile, or is not ours
"""
"""Runs in a bare interpreter. An environment, unlike a parent's number, survives the parent."""


class Lifeline:
    """Ends the processes that were started under `marking` when we end or `cut` is called."""

    def __init__(self) -> None:
        self._mark = uuid.uuid4().hex
        # Its own session, so that a Ctrl-C leaves it alive to do its work.
        self._watcher = subprocess.Popen(
            [sys.executable, "-ISc", WATCH, f"{VARIABLE}={self._mark}"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            env={name: value for name, value in os.environ.items() if name != VARIABLE},
        )

    @contextmanager
    def marking(self) -> Iterator[None]:
        """Processes started inside, and their descendants, hang on the line."""
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = self._mark
        try:
            yield
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before

    def cut(self) -> None:
        """Kills what hangs on the line; returns when that is done. Harmless the second time."""
        self._watcher.communicate()
