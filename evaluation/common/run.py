"""Runs a measurement in resumable shards, and writes what it found."""

import datetime
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psutil
from tqdm import tqdm

from deployments.paths import ROOT
from evaluation.common.files import CACHE, RESULTS, RUNS
from evaluation.common.measurement import Measurement, Result, Row, figures

MEASURED = ("configs", "deployments", "evaluation", "models", "training", "graph.py")
"""What figures depend on: shards of other contents are not gone on with."""


async def run(measurement: Measurement, cache: Path = CACHE) -> Result:
    """Measures what no shard has yet, and adds everything up."""
    measurement.folder = cache / measurement.name / key(measurement)
    rows = await _rows(measurement)
    found = figures(measurement.declared, measurement.estimates(rows))
    measurement.finish(rows)
    options = measurement.options
    commit, dirty = _commit()
    return Result(
        name=measurement.name,
        question=measurement.question,
        source="command",
        command=f"python -m evaluation {measurement.name}{options.said}",
        commit=commit,
        dirty=dirty,
        date=datetime.datetime.now(datetime.UTC).date().isoformat(),
        machine=_machine(),
        configuration={
            "path": options.config_name,
            "sha256": hashlib.sha256(options.config.read_bytes()).hexdigest(),
        },
        seeds={"seed": options.seed, **measurement.seeds},
        figures=found,
    )


def results_folder(measurement: Measurement) -> Path:
    """Where the result goes: of a trial it is not for the documents."""
    return RESULTS if measurement.options.count is None else RUNS / "measurements"


def key(measurement: Measurement) -> str:
    """12 hex digits of all that the rows depend on: options, sources, weights, configuration."""
    options = measurement.options
    told = [options.seed, options.count, options.url, measurement.shard, dict(measurement.seeds)]
    digest = hashlib.sha256(json.dumps(told).encode() + options.config.read_bytes())
    for path in _sources():
        digest.update(f"{path.relative_to(ROOT)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def _sources() -> Iterator[Path]:
    for name in MEASURED:
        for path in sorted([ROOT / name, *(ROOT / name).rglob("*")]):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path


async def _rows(measurement: Measurement) -> list[Row]:
    """The rows of all items: from the shards that are there, and measured for the others."""
    items, size, started = measurement.items(), measurement.shard, False
    measurement.folder.mkdir(parents=True, exist_ok=True)
    progress = tqdm(total=len(items), desc=measurement.name, mininterval=1)
    try:
        for number, first in enumerate(range(0, len(items), size)):
            part = items[first : first + size]
            shard = measurement.folder / f"shard-{number:05}.json"
            if not shard.is_file():
                if not started:
                    started = True
                    await measurement.start()
                found = await measurement.measure(part)
                if len(found) != len(part):
                    raise ValueError(f"{len(part)} items gave {len(found)} rows")
                _write(shard, found)
            measurement.done += json.loads(shard.read_text(encoding="utf-8"))
            progress.update(len(part))
    finally:
        progress.close()
        if started:
            await measurement.stop()
    return measurement.done


def _write(shard: Path, found: list[Row]) -> None:
    """Whole or not at all, whenever the run is killed."""
    half = shard.with_suffix(".part")
    half.write_text(json.dumps(found), encoding="utf-8")
    os.replace(half, shard)


def _commit() -> tuple[str, bool]:
    """The commit, and whether what is measured differs from it; unknown and True outside git."""

    def git(*words: str) -> str:
        asked = ["git", "-C", str(ROOT), *words]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()

    try:
        return git("rev-parse", "HEAD"), bool(git("status", "--porcelain", "--", *MEASURED))
    except (OSError, subprocess.CalledProcessError):
        return "unknown", True


def _machine() -> dict[str, str | int | float | None]:
    lines = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    named = [line.partition(":")[2].strip() for line in lines.splitlines() if "model name" in line]
    return {
        "cpu": named[0] if named else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "torch": version("torch"),
    }
