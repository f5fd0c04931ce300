"""What a measurement is, and the file that it ends in."""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from evaluation.common.intervals import Estimate
from evaluation.common.options import Options

Row = dict[str, Any]
"""What was found on one item, as JSON."""


@dataclass(frozen=True)
class Declared:
    """A figure before it is measured.

    A unit "%" is for estimates in [0, 1], which are written in percent. A key "auc/*" declares a
    figure for every name that the measurement finds, and its text has the name in place of "*".
    """

    text: str
    unit: str = ""
    goal: str | None = None


def percent(text: str, goal: str | None = None) -> Declared:
    """A share, written in percent."""
    return Declared(text, "%", goal)


class Figure(BaseModel):
    """One measured value between the ends of its 95 % interval, in its unit, of `n` cases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: float
    low: float | None
    high: float | None
    n: int | None
    unit: str
    goal: str | None
    text: str


class Result(BaseModel):
    """docs/measurements/NAME.json. `source` README: moved over once, no command wrote it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    question: str
    source: Literal["command", "README"]
    command: str
    commit: str
    dirty: bool
    date: str
    machine: dict[str, str | int | float | None]
    configuration: dict[str, str]
    seeds: dict[str, int]
    figures: dict[str, Figure]

    def write(self, folder: Path) -> Path:
        """Writes the file and returns its path."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.json"
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        return path


class Measurement(ABC):
    """One question, and how it is answered: items are measured in shards, and rows are added up.

    Attributes:
        name: of the command and of the file.
        question: in one line.
        declared: its figures by key.
        minutes: on two idle cores.
        needs: of "corpora" and "url", what a run must be given.
        seeds: what random draws start from, besides the option `seed`.
        shard: items that are measured together, and lost together when a run is killed.
        done: the rows of all shards before this one.
        folder: lies beside the shards; for pictures that are looked at in the end.
    """

    name: ClassVar[str]
    question: ClassVar[str]
    declared: ClassVar[Mapping[str, Declared]]
    minutes: ClassVar[float]
    needs: ClassVar[frozenset[str]] = frozenset()
    seeds: ClassVar[Mapping[str, int]] = {}
    shard: ClassVar[int] = 32

    def __init__(self, options: Options) -> None:
        self.options = options
        self.done: list[Row] = []
        self.folder: Path

    @abstractmethod
    def items(self) -> Sequence[Any]:
        """What is measured, in an order that depends on the options alone."""

    async def start(self) -> None:  # noqa: B027
        """Loads what `measure` needs. Not called where all shards are there already."""

    @abstractmethod
    async def measure(self, items: Sequence[Any]) -> list[Row]:
        """One row for each of the items, in their order."""

    @abstractmethod
    def estimates(self, rows: Sequence[Row]) -> Mapping[str, Estimate]:
        """The figures, from the rows of all items."""

    async def stop(self) -> None:  # noqa: B027
        """Ends what `start` began."""

    def finish(self, rows: Sequence[Row]) -> None:  # noqa: B027
        """Writes what is to be seen: sheets of pictures, lines on what went wrong."""


def figures(declared: Mapping[str, Declared], found: Mapping[str, Estimate]) -> dict[str, Figure]:
    """The estimates under what was declared of them, in the order of the estimates.

    Raises:
        ValueError: a figure was declared and not measured, or measured and not declared.
    """
    figures, used = {}, set()
    for key, estimate in found.items():
        group, _, name = key.partition("/")
        declaration = key if key in declared else f"{group}/*"
        if declaration not in declared:
            raise ValueError(f"the figure {key!r} was not declared")
        used.add(declaration)
        short = re.sub(r"[^\w./-]+", "-", key)  # markers in documents separate keys by commas
        figures[short] = _figure(declared[declaration], estimate, name)
    if missing := sorted(declared.keys() - used):
        raise ValueError(f"the figure {missing[0]!r} was not measured")
    return figures


def _figure(declared: Declared, estimate: Estimate, name: str) -> Figure:
    scale = 100 if declared.unit == "%" else 1

    def scaled(value: float | None) -> float | None:
        return None if value is None else float(f"{scale * value:.5g}")

    return Figure(
        value=float(f"{scale * estimate.value:.5g}"),
        low=scaled(estimate.low),
        high=scaled(estimate.high),
        n=estimate.n,
        unit=declared.unit,
        goal=declared.goal,
        text=declared.text.replace("*", name),
    )
