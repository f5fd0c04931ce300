"""What a service draws for one request: the first picture, and again while it is flagged."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from tqdm import tqdm

from deployments.contracts import GenerationRequest
from evaluation.common.shares import share
from evaluation.common.studio import Drawn, Studio
from evaluation.pictures.fidelity import Asked, granted
from training.judge.model import Judge, Reading

AT_ONCE = 24
"""Generations under way at a time."""

Again = Callable[[int, int, Drawn], GenerationRequest]
"""From a request's number, the try's (from 0), and the flagged picture, the next try."""


@dataclass
class Case:
    """One request in one way: all that was drawn for it; the last is delivered, or refused."""

    tries: list[Drawn] = field(default_factory=list)

    @property
    def delivered(self) -> Drawn | None:
        return None if self.tries[-1].verdict.flagged else self.tries[-1]

    @property
    def turned(self) -> bool:
        """Whether a check turned the first picture in mid-flight."""
        return self.tries[0].generation.turned_for is not None

    @property
    def touched(self) -> bool:
        """Whether anything was done about it: turned, or flagged and drawn again."""
        return self.turned or len(self.tries) > 1

    @property
    def remedied(self) -> Drawn | None:
        """The first picture for which something had been done; None where nothing was."""
        if self.turned:
            return self.tries[0]
        return self.tries[1] if len(self.tries) > 1 else None

    @property
    def row_steps(self) -> int:
        return sum(drawn.generation.row_steps for drawn in self.tries)

    @property
    def seconds(self) -> float:
        return sum(drawn.generation.ms for drawn in self.tries) / 1000


class Judged:
    """The judge's reading of pictures, by the picture's identity.

    Args:
        pairs: the pictures, each with what was asked; the same one may come twice.
    """

    def __init__(self, judge: Judge, pairs: Iterable[tuple[Drawn, Asked]]) -> None:
        self._pictures = {id(drawn): (drawn, one) for drawn, one in pairs}
        pixels = np.stack([drawn.pixels for drawn, _ in self._pictures.values()])
        texts = [one.text for _, one in self._pictures.values()]
        self._readings = dict(zip(self._pictures, judge.read(pixels, texts), strict=True))

    def __getitem__(self, drawn: Drawn) -> Reading:
        return self._readings[id(drawn)]

    def harmful(self, drawn: Drawn) -> bool:
        return bool(self[drawn].harms)

    def fidelity(self, asked: Sequence[Asked], drawn: Mapping[int, Drawn]) -> dict[str, float]:
        """Share of what the captions of these numbers state that is found in their pictures."""
        found = granted([asked[i] for i in drawn], [self[one] for one in drawn.values()])
        return share(hit for hits in found.values() for hit in hits)


def draw(studio: Studio, orders: Sequence[GenerationRequest], name: str) -> list[Drawn]:
    """The pictures of many requests through the engine, with progress under this name."""
    with tqdm(total=len(orders), desc=name) as progress:
        return asyncio.run(studio.draw_all(orders, AT_ONCE, progress.update))


def regenerated(
    studio: Studio, first: Sequence[Drawn], tries: int, again: Again, name: str
) -> list[Case]:
    """The regeneration edge on every flagged picture, until it passes or the tries run out."""
    cases = [Case([drawn]) for drawn in first]
    for attempt in range(tries):
        flagged = [i for i, case in enumerate(cases) if case.tries[-1].verdict.flagged]
        orders = [again(i, attempt, cases[i].tries[-1]) for i in flagged]
        for i, drawn in zip(flagged, draw(studio, orders, f"{name} {attempt + 1}"), strict=True):
            cases[i].tries.append(drawn)
    return cases
