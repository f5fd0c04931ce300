"""What the world draws, pinned: data sets, figures and weights rest on these very draws."""

import hashlib
import random
from collections.abc import Iterable

import pytest

from training.world.drawing.renderer import render
from training.world.edits import draw_context, draw_edit
from training.world.faults import FaultRates
from training.world.sample import draw

CAPTIONS = {"train": "1b3fea4b9cbfde60", "test": "3838d2fd9e40a954"}
PICTURES = {"train": "773c6d5c84477c41", "test": "06fd1953c1e18a09"}
INSTRUCTIONS = {"train": "5e39326fd3862435", "test": "628f4997c7acafd5"}
EDITED = {"train": "323b1a3c6a93e8ae", "test": "f749e66ac0d742fa"}
"""The same at c45c5b0, when the world was drawn for the shipped weights."""


def digest(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(part)
    return found.hexdigest()[:16]


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
def test_captions_and_their_pictures_are_what_they_have_always_been(split):
    rng = random.Random(f"world {split}")
    drawn = [draw(rng, FaultRates(), split) for _ in range(200)]
    assert digest(example.caption.text.encode() + b"\n" for example in drawn) == CAPTIONS[split]
    assert digest(example.render().tobytes() for example in drawn) == PICTURES[split]


@pytest.mark.slow
@pytest.mark.parametrize("split", ["train", "test"])
def test_edits_and_their_pictures_are_what_they_have_always_been(split):
    rng = random.Random(f"edits {split}")
    drawn = [draw_edit(rng, FaultRates(), split) for _ in range(160)]
    drawn += [edit for _ in range(20) for edit in draw_context(rng, split)]
    assert digest(edit.instruction.encode() + b"\n" for edit in drawn) == INSTRUCTIONS[split]
    scenes = (scene for edit in drawn for scene in (edit.before, edit.after))
    assert digest(render(scene).tobytes() for scene in scenes) == EDITED[split]
