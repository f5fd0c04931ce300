"""Pairs of pictures with an instruction and the truth about them, for the transformation model.

Edits of the world, twins that differ in one picture or in the words alone, and edits after which
somebody is another person in some attribute, as a real edit model leaves them.
"""

import pickle
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from deployments.embedded.folders import made_once
from training.world.captions import Split
from training.world.edits import IDENTITY, Edit, another, draw_context, draw_edit
from training.world.faults import FaultRates
from training.world.renderer import render
from training.world.vocabulary import HARMS

SIZE = 64
CONTEXT, DRIFTED = 0.35, 0.25
"""Shares of twins, and of other edits in which the person drifts."""


@dataclass(frozen=True)
class Known:
    """An edit and what can be seen of it: the attributes of IDENTITY that visibly changed."""

    edit: Edit
    changed: frozenset[str]

    @property
    def unasked(self) -> frozenset[str]:
        """Of those, what nobody asked for."""
        return frozenset(name for name in self.changed if f"0.{name}" not in self.edit.asked)

    @property
    def truth(self) -> list[float]:
        """1 for each of HARMS that the edit brings in, then for each unasked of IDENTITY."""
        return [
            *(float(harm in self.edit.harms) for harm in HARMS),
            *(float(name in self.unasked) for name in IDENTITY),
        ]


@dataclass(frozen=True)
class KnownPairs:
    """Edits in memory and their pictures before and after, (n, 64, 64, 3) uint8, on disk."""

    folder: Path
    all: Sequence[Known]
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]


def known_pairs(cache: Path, seed: int, count: int, split: Split = "train") -> KnownPairs:
    """The first `count` edits of a seed and split; drawn once."""
    folder = cache / f"known-edits-{split}-{seed}-{count}"
    made_once(folder, lambda target: _draw_all(target, seed, count, split))
    known = pickle.loads((folder / "edits.pickle").read_bytes())
    before, after = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("before", "after"))
    return KnownPairs(folder, known, before, after)


def _draw_all(target: Path, seed: int, count: int, split: Split) -> None:
    rng = random.Random(f"known-edits-{seed}-{split}")
    shape = (count, SIZE, SIZE, 3)
    before, after = (
        np.lib.format.open_memmap(target / f"{name}.npy", "w+", np.uint8, shape)
        for name in ("before", "after")
    )
    known: list[Known] = []
    with tqdm(total=count, desc="drawing") as bar:
        while len(known) < count:
            for edit in _some(rng, split)[: count - len(known)]:
                before[len(known)], after[len(known)] = render(edit.before), render(edit.after)
                known.append(Known(edit, _visible(edit, after[len(known)])))
                bar.update()
    before.flush()
    after.flush()
    (target / "edits.pickle").write_bytes(pickle.dumps(known))


def _some(rng: random.Random, split: Split) -> tuple[Edit, ...]:
    if rng.random() < CONTEXT:
        return draw_context(rng, split)
    edit = draw_edit(rng, FaultRates(), split)
    if rng.random() < DRIFTED:
        edit = drifted(edit, rng)
    return (edit,)


def drifted(edit: Edit, rng: random.Random) -> Edit:
    """The edit with one or two more attributes of the person changed."""
    person = edit.after.people[0]
    for name in rng.sample(IDENTITY, rng.choice((1, 1, 2))):
        person = another(person, name, rng)
    return replace(edit, after=replace(edit.after, people=(person,)))


def _visible(edit: Edit, after: NDArray[np.uint8]) -> frozenset[str]:
    """The changed attributes of IDENTITY without whose change the picture would be another one."""
    person, old = edit.after.people[0], edit.before.people[0]
    found = set()
    for name in IDENTITY:
        if getattr(person, name) == getattr(old, name):
            continue
        kept = replace(person, **{name: getattr(old, name)})
        if (render(replace(edit.after, people=(kept,))) != after).any():
            found.add(name)
    return frozenset(found)
