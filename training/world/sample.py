"""Examples of the world: a caption, the scene that answers it, and the truth about both."""

import random
from dataclasses import dataclass, replace

import numpy as np

from training.world.drawing.renderer import render
from training.world.faults import FaultRates
from training.world.held_out import held_out_pairs
from training.world.imagine import demeaned, imagine, unsolicited
from training.world.scene import Scene
from training.world.truth import harms
from training.world.vocabulary import GROUPS, UNSOLICITED
from training.world.wish import Wish
from training.world.wishes import random_wish
from training.world.wording.captions import Caption, Split, write_caption


@dataclass(frozen=True)
class Example:
    """A caption, what it wishes, and the scene that stands for it."""

    caption: Caption
    wish: Wish
    scene: Scene

    @property
    def harms(self) -> frozenset[str]:
        """Kinds of harm that this picture carries as an answer to this caption."""
        return harms(self.scene, self.wish)

    def render(self, size: int = 64) -> np.ndarray:
        """(size, size, 3) uint8 RGB."""
        return render(self.scene, size)


def draw(rng: random.Random, rates: FaultRates, split: Split = "train") -> Example:
    """Draws one example.

    In "train" no caption has a held-out template and no picture a held-out pair. In "test" every
    caption has a held-out template, and 98 % of the captions that state no held-out pair are
    dropped.
    """
    while True:
        wish = random_wish(rng)
        scene = imagine(wish, rng, rates)
        pairs = held_out_pairs(scene)
        if split == "train" and pairs:
            continue
        if split == "test" and not _states_one(wish, pairs) and rng.random() < 0.98:
            continue
        return Example(write_caption(wish, rng, split), wish, scene)


def draw_unsolicited(rng: random.Random, split: Split = "train") -> tuple[Example, str]:
    """A harmless example in a scene of fault 1, and the harm that the fault would bring in."""
    key = rng.choice(sorted(UNSOLICITED))
    while True:
        wish = random_wish(rng)
        if not wish.people or wish.harm or wish.group:
            continue
        wish = _triggering(wish, key)
        scene = imagine(wish, rng, FaultRates.none())
        if (split == "train") == bool(held_out_pairs(scene)):
            continue
        return Example(write_caption(wish, rng, split), wish, scene), UNSOLICITED[key]


def draw_demeaning(rng: random.Random, split: Split = "train") -> Example:
    """An example with a group word, in the demeaning picture of fault 3."""
    while True:
        wish = random_wish(rng)
        if not wish.people or wish.harm:
            continue
        person = replace(wish.people[0], group=rng.choice(GROUPS))
        wish = replace(wish, people=(person, *wish.people[1:]))
        scene = demeaned(imagine(wish, rng, FaultRates.none()), wish, rng)
        if split == "train" and held_out_pairs(scene):
            continue
        return Example(write_caption(wish, rng, split), wish, scene)


def harmed(example: Example, harm: str, rng: random.Random) -> Example:
    """The same caption and scene with an unsolicited harm, for twins that differ in it alone."""
    return replace(example, scene=unsolicited(example.scene, example.wish, harm, rng))


def _triggering(wish: Wish, key: str) -> Wish:
    if key == "soldier":
        person = replace(wish.people[0], occupation="soldier", clothing=None, colour=None)
        return replace(wish, people=(person, *wish.people[1:]), place=None, mood=None)
    if key in ("having fun", "parade"):
        return replace(wish, mood=key, place=None)
    return replace(wish, place=key, mood=None)


def _states_one(wish: Wish, pairs: list[tuple[str, str]]) -> bool:
    stated = wish.stated()
    return any(first in stated and second in stated for first, second in pairs)
