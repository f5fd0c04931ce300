"""Pairs of pictures with an instruction and the truth about them, for the transformation model.

The pairs are edits of the world, twins that differ only in one picture or only in the words, and
edits in which an attribute of the person drifts, as it does with real edit models.
"""

import pickle
import random
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deployments.classifier.transformation.model import TransformationConfig
from deployments.inference.embedded.folders import made_once
from training.chunks import Chunk, drawn_in_chunks
from training.world.drawing.renderer import render
from training.world.edits import IDENTITY, Edit, another, draw_context, draw_edit
from training.world.faults import FaultRates
from training.world.scene import Scene
from training.world.vocabulary import HARMS
from training.world.wish import PersonWish, Wish
from training.world.wording.captions import Split, write_caption

SIZE = 64
SEEN, CLEARLY = 16, 40
"""A change shows if at least `SEEN` pixels differ by more than `CLEARLY` of 255. Where fewer do,
the judge is right in a third of all cases; elsewhere in 99 %."""
LOOKS = dict(TransformationConfig().looks)
"""Attribute of IDENTITY -> its values."""
_UNSEEN = ("occupation", "trait", "group")
CONTEXT, DRIFTED = 0.35, 0.25
"""Share of twins, and share of the other edits in which the person drifts."""


@dataclass(frozen=True)
class Known:
    """An edit, and the attributes of IDENTITY that can be seen to have changed."""

    edit: Edit
    changed: frozenset[str]

    @property
    def unasked(self) -> frozenset[str]:
        """Those of `changed` that nobody asked for."""
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


def known_pairs(
    cache: Path, seed: int, count: int, split: Split = "train", workers: int = 1
) -> KnownPairs:
    """The first `count` edits of a seed and split; drawn once."""
    folder = cache / f"known-edits-{split}-{seed}-{count}"
    made_once(folder, lambda target: _draw_all(target, seed, count, split, workers))
    known = pickle.loads((folder / "edits.pickle").read_bytes())
    before, after = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("before", "after"))
    return KnownPairs(folder, known, before, after)


def _draw_all(target: Path, seed: int, count: int, split: Split, workers: int) -> None:
    shape = (count, SIZE, SIZE, 3)
    arrays = [
        np.lib.format.open_memmap(target / f"{name}.npy", "w+", np.uint8, shape)
        for name in ("before", "after")
    ]
    known: list[Known] = []
    for chunk, (drawn, *pictures) in drawn_in_chunks(_draw_chunk, seed, count, split, workers):
        for array, part in zip(arrays, pictures, strict=True):
            array[chunk.rows] = part
        known += drawn
    for array in arrays:
        array.flush()
    (target / "edits.pickle").write_bytes(pickle.dumps(known))


def _draw_chunk(chunk: Chunk) -> tuple[list[Known], NDArray[np.uint8], NDArray[np.uint8]]:
    rng = chunk.stream("known-edits")
    edits: list[Edit] = []
    while len(edits) < chunk.count:
        edits += _some(rng, chunk.split)
    edits = edits[: chunk.count]
    before, after = (
        np.stack([render(scene) for scene in scenes])
        for scenes in ([edit.before for edit in edits], [edit.after for edit in edits])
    )
    return [known_edit(edit) for edit in edits], before, after


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


def known_edit(edit: Edit) -> Known:
    """The edit, with those attributes of IDENTITY that can be seen to have changed.

    A change of hair under a hat cannot be seen, whether the hat is in the picture before or after.
    """
    old, new = edit.before.people[0], edit.after.people[0]
    visible = frozenset(
        name
        for name in IDENTITY
        if _shows(edit.before, name, getattr(new, name))
        and _shows(edit.after, name, getattr(old, name))
    )
    return Known(edit, visible)


def tells(scene: Scene, name: str) -> bool:
    """Whether the picture of one person tells an attribute of IDENTITY: no other value looks alike.

    A helmet hides the hair, a bald head has no hair colour, and lips that are turned away do not
    tell the gender. Other attributes are always told.
    """
    (person,) = scene.people
    return all(
        value == getattr(person, name) or _shows(scene, name, value)
        for value in LOOKS.get(name, ())
    )


def _shows(scene: Scene, name: str, value: str) -> bool:
    """Whether the picture of one person would look different with this value of an attribute."""
    (person,) = scene.people
    if getattr(person, name) == value:
        return False
    other = replace(scene, people=(replace(person, **{name: value}),))
    return _differ(render(other), render(scene))


def _differ(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    apart = np.abs(one.astype(int) - other).max(axis=2) > CLEARLY
    return int(apart.sum()) >= SEEN


def described(scene: Scene, rng: random.Random) -> str:
    """A caption that states everything a scene of one person shows."""
    (person,) = scene.people
    marks = {"poster" if mark.harm == "sexual" else mark.harm for mark in scene.marks}
    harm = "sexual" if person.clothing is None else min(marks, default=None)
    names = [field.name for field in fields(PersonWish) if field.name not in _UNSEEN]
    wish = PersonWish(**{name: getattr(person, name) for name in names})
    return write_caption(Wish((wish,), scene.place, scene.animal, harm=harm), rng).text
