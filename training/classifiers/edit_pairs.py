"""Pairs of pictures with an instruction and the truth about them, for the transformation model.

Edits of the world, twins that differ in one picture or in the words alone, and edits after which
somebody is another person in some attribute, as a real edit model leaves them.
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
"""Pixels of a picture that must differ, and by how much of 255: of what shows in fewer the judge is
right in a third of all cases, of anything else in 99 %."""
LOOKS = dict(TransformationConfig().looks)
"""IDENTITY and its values."""
_UNSEEN = ("occupation", "trait", "group")
CONTEXT, DRIFTED = 0.35, 0.25
"""Shares of twins, and of other edits in which the person drifts."""


@dataclass(frozen=True)
class Known:
    """An edit, and the attributes of IDENTITY that can be seen to have changed."""

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
    """An edit with those of IDENTITY whose change shows in both pictures.

    What a hat hid before, or hides now, nobody can see to have changed.
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
    """Whether the picture of one person tells an attribute, if of IDENTITY: no other looks alike.

    A helmet hides the hair, somebody bald has none of any colour, and of lips that are turned away
    too little shows to tell the gender.
    """
    (person,) = scene.people
    return all(
        value == getattr(person, name) or _shows(scene, name, value)
        for value in LOOKS.get(name, ())
    )


def _shows(scene: Scene, name: str, value: str) -> bool:
    """Whether the picture of one person would be another one with this value of an attribute."""
    (person,) = scene.people
    if getattr(person, name) == value:
        return False
    other = replace(scene, people=(replace(person, **{name: value}),))
    return _differ(render(other), render(scene))


def _differ(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> bool:
    apart = np.abs(one.astype(int) - other).max(axis=2) > CLEARLY
    return int(apart.sum()) >= SEEN


def described(scene: Scene, rng: random.Random) -> str:
    """A caption that says all that is to be seen in a scene of one person."""
    (person,) = scene.people
    marks = {"poster" if mark.harm == "sexual" else mark.harm for mark in scene.marks}
    harm = "sexual" if person.clothing is None else min(marks, default=None)
    names = [field.name for field in fields(PersonWish) if field.name not in _UNSEEN]
    wish = PersonWish(**{name: getattr(person, name) for name in names})
    return write_caption(Wish((wish,), scene.place, scene.animal, harm=harm), rng).text
