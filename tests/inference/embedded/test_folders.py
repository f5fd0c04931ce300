"""A folder that exists is whole, whoever made it and whatever happened to the others."""

import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployments.inference.embedded.folders import made_once
from deployments.paths import ROOT

MAKERS = 4
KILLED = """
import os, signal, sys
from pathlib import Path
from deployments.inference.embedded.folders import made_once

def make(target):
    (target / "first").write_text("made")
    os.kill(os.getpid(), signal.SIGKILL)

made_once(Path(sys.argv[1]), make)
"""


def two_files(target: Path) -> None:
    (target / "first").write_text("made")
    (target / "second").write_text("made")


def content(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text() for file in folder.iterdir()}


WHOLE = {"first": "made", "second": "made"}


def test_folder_that_exists_is_not_made_again(tmp_path):
    calls = []

    def make(target: Path) -> None:
        calls.append(target)
        two_files(target)

    for _ in range(2):
        assert content(made_once(tmp_path / "cache" / "model", make)) == WHOLE
    assert len(calls) == 1


def test_makers_at_the_same_time_leave_one_whole_folder_and_nothing_else(tmp_path):
    all_make = threading.Barrier(MAKERS)

    def make(target: Path) -> None:
        two_files(target)
        all_make.wait(60)

    with ThreadPoolExecutor(MAKERS) as pool:
        folders = list(pool.map(lambda _: made_once(tmp_path / "model", make), range(MAKERS)))
    assert folders == [tmp_path / "model"] * MAKERS
    assert content(tmp_path / "model") == WHOLE
    assert list(tmp_path.iterdir()) == [tmp_path / "model"]


def test_maker_that_fails_leaves_nothing(tmp_path):
    def make(target: Path) -> None:
        (target / "first").write_text("made")
        raise RuntimeError("no space")

    with pytest.raises(RuntimeError, match="no space"):
        made_once(tmp_path / "model", make)
    assert not list(tmp_path.iterdir())


def test_folder_of_a_killed_maker_is_made_by_the_next(tmp_path):
    folder = tmp_path / "model"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(folder)], cwd=ROOT, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert not folder.exists()
    assert content(made_once(folder, two_files)) == WHOLE


def test_place_that_cannot_be_taken_is_an_error(tmp_path):
    def make(target: Path) -> None:
        (tmp_path / "model").write_text("a file")

    with pytest.raises(OSError, match="model"):
        made_once(tmp_path / "model", make)
