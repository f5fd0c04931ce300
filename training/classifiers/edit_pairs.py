"""Pairs of pictures with an instruction and the truth about them, for the transformation model.

Edits of the world, twins that differ in one picture or in the words alone, and edits after which
somebody is another person in some attribute, as a real edit model leaves them.
"""

import pickle
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from deployments.embedded.folders import made_once
from training.chunks import Chunk, drawn_in_chunks
from training.world.captions import Split, write_caption
from training.world.edits import IDENTITY, Edit, another, draw_context, draw_edit
from training.world.faults import FaultRates
from training.world.renderer import render
from training.world.scene import Scene
from training.world.vocabulary import HAIR_COLOURS, HAIR_STYLES, HARMS
from training.world.wish import PersonWish, Wish

SIZE = 64
SEEN, CLEARLY = 16, 40
"""Pixels of a picture that must differ, and by how much of 255: of what shows in fewer the judge is
right in a third of all cases, of anything else in 99 %."""
HAIR: Mapping[str, Sequence[str]] = {
    "hair_colour": HAIR_COLOURS,
    "hair_style": sorted({style for styles in HAIR_STYLES.values() for style in styles}),
}
"""What of a person something may hide, and its values."""
_UNSEEN = ("occupation", "trait", "group")
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
    """An edit with those of IDENTITY without whose change the picture would be another one."""
    after = render(edit.after)
    person, old = edit.after.people[0], edit.before.people[0]
    changed = [name for name in IDENTITY if getattr(person, name) != getattr(old, name)]
    kept = {
        name: replace(edit.after, people=(replace(person, **{name: getattr(old, name)}),))
        for name in changed
    }
    visible = frozenset(name for name in changed if _differ(render(kept[name]), after))
    return Known(edit, visible)


def tells(scene: Scene, name: str) -> bool:
    """Whether a picture of one person tells an attribute: of its HAIR, no other value looks alike.

    A helmet hides the hair, and somebody bald has none of any colour.
    """
    (person,), picture = scene.people, render(scene)
    others = [value for value in HAIR.get(name, ()) if value != getattr(person, name)]
    return all(
        _differ(render(replace(scene, people=(replace(person, **{name: value}),))), picture)
        for value in others
    )


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
