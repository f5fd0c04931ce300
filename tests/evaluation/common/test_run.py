"""A run is killed in its second shard, and goes on there."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from deployments.paths import ROOT
from evaluation.common.intervals import Estimate, share
from evaluation.common.measurement import Declared, Measurement, Row, figures
from evaluation.common.options import CONFIG, Options
from evaluation.common.run import key, results_folder, run


class Parity(Measurement):
    """Whether numbers are even. The process dies at the number in the file `fatal`, if any."""

    name = "parity"
    question = "Are numbers even?"
    minutes = 0.1
    shard = 4
    declared: ClassVar = {"even": Declared("even numbers", "%", "50 %")}
    log: Path

    def items(self) -> list[int]:
        return list(range(10))

    async def measure(self, items: list[int]) -> list[Row]:
        fatal = self.log.with_name("fatal")
        for item in items:
            with self.log.open("a") as log:
                log.write(f"{item}\n")
            if fatal.exists() and int(fatal.read_text()) == item:
                os.kill(os.getpid(), signal.SIGKILL)
        return [{"even": item % 2 == 0} for item in items]

    def estimates(self, rows: list[Row]) -> dict[str, Estimate]:
        return {"even": share(row["even"] for row in rows)}


SCRIPT = """
import asyncio, sys
from pathlib import Path
from evaluation.common.options import Options
from evaluation.common.run import run
from tests.evaluation.common.test_run import Parity

Parity.log = Path(sys.argv[1]) / "log"
print(asyncio.run(run(Parity(Options()), Path(sys.argv[1]))).model_dump_json())
"""


def ran(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", SCRIPT, str(folder)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
def test_a_killed_run_goes_on_and_repeats_no_finished_shard(tmp_path):
    (tmp_path / "fatal").write_text("5")
    assert ran(tmp_path).returncode == -signal.SIGKILL
    assert (tmp_path / "log").read_text().split() == list("012345")
    (tmp_path / "fatal").unlink()
    ended = ran(tmp_path)
    assert ended.returncode == 0, ended.stderr
    # The first shard is not measured again, the one in which it died is, from its beginning.
    assert (tmp_path / "log").read_text().split() == [*"012345", *"456789"]
    result = json.loads(ended.stdout)
    assert result["figures"]["even"] == {
        "value": 50.0, "low": 23.659, "high": 76.341, "n": 10, "unit": "%", "goal": "50 %",
        "text": "even numbers",
    }  # fmt: skip


async def test_a_result_says_what_it_was_measured_on(tmp_path):
    Parity.log = tmp_path / "log"
    result = await run(Parity(Options(seed=3, threads=1)), tmp_path)
    assert (result.name, result.source, result.seeds) == ("parity", "command", {"seed": 3})
    assert result.command == "python -m evaluation parity --seed 3"
    assert result.configuration["path"] == "configs/miniature.yaml"
    assert set(result.machine) == {"cpu", "cores", "memory_gib", "python", "torch"}
    assert len(result.commit) == 40


@pytest.mark.slow
def test_shards_of_other_options_or_configurations_are_not_gone_on_with(tmp_path):
    other = tmp_path / "other.yaml"
    other.write_bytes(CONFIG.read_bytes() + b"\n")
    options = [Options(), Options(seed=1), Options(count=5), Options(config=other)]
    assert len({key(Parity(one)) for one in options}) == len(options)
    assert key(Parity(Options())) == key(Parity(Options()))


def test_a_trial_is_not_written_where_documents_look():
    assert results_folder(Parity(Options(count=1))) != results_folder(Parity(Options()))


@pytest.mark.parametrize("found", [{}, {"even": share([True]), "odd": share([])}])
def test_figures_are_those_that_were_declared(found):
    with pytest.raises(ValueError, match="was not"):
        figures(Parity.declared, found)


def test_a_group_of_figures_is_declared_once():
    made = figures({"auc/*": Declared("area for *")}, {"auc/a": share([True]), "auc/b": share([])})
    assert [figure.text for figure in made.values()] == ["area for a", "area for b"]
