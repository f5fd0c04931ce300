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
"""Runs in a bare interpreter. An environment, unlike a parent's number, survives the parent."""


class Lifeline:
    """Ends the processes that were started with its mark when we end or `cut` is called.

    Attributes:
        mark: what the environment of such processes holds. `variable` names it; lines of different
            variables are apart, so that a process may hang on several.
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
        """Processes started inside, and their descendants, hang on the line."""
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
        """Kills what hangs on the line; returns when that is gone. Harmless the second time."""
        self._watcher.communicate()
