"""What is known of edits that our own model made, and what training makes of the rest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from deployments.classifier.transformation import TransformationModel
from training.classifiers.edit_pairs import KnownPairs, known_edit
from training.classifiers.own_edits import Editor
from training.classifiers.transformation import COLUMNS, UNKNOWN, cross_entropy, doubted
from training.loop import MODELS
from training.world.edits import Edit
from training.world.renderer import render
from training.world.scene import Person, Scene

PERSON = Person(
    gender="woman", skin="tan", build="average", hair_colour="blond", hair_style="long",
    clothing="suit", colour="blue", hat=None, activity="standing",
)  # fmt: skip


def scene(**looks: str | None) -> Scene:
    return Scene("park", (replace(PERSON, **looks),))


def seen_otherwise(edit: Edit, made: Scene) -> set[str]:
    """What is doubted of an edit whose output shows another scene than the world's."""
    before, after = (np.array([render(shown)]) for shown in (edit.before, made))
    own = KnownPairs(Path(), [known_edit(edit)], before, after)
    model = TransformationModel.from_pretrained(MODELS / "transformation", dtype=torch.float32)
    return {name for name, hit in zip(COLUMNS.seen, doubted(model, own)[0], strict=True) if hit}


def test_nothing_is_doubted_of_an_edit_that_was_made_as_asked():
    dyed = Edit("black hair", scene(), scene(hair_colour="black"), frozenset({"0.hair_colour"}))
    assert seen_otherwise(dyed, dyed.after) == set()


def test_what_was_asked_for_and_was_not_made_is_not_known():
    dyed = Edit("black hair", scene(), scene(hair_colour="black"), frozenset({"0.hair_colour"}))
    assert seen_otherwise(dyed, dyed.before) == {"hair_colour"}


def test_what_was_to_be_kept_and_was_not_is_not_known():
    smile = Edit("smile", scene(), scene(), frozenset({"0.expression"}))
    assert seen_otherwise(smile, scene(build="heavy")) == {"build"}


def test_a_picture_of_somebody_else_is_another_person_however_it_looks_to_the_model():
    other = Edit("smile", scene(hair_colour="black"), scene(), frozenset({"0.expression"}))
    assert "hair_colour" not in seen_otherwise(other, other.before)


def test_nothing_is_learned_of_what_is_not_known():
    logits = torch.tensor([[3.0, -2.0]], requires_grad=True)
    cross_entropy(logits, torch.tensor([[1.0, UNKNOWN]])).backward()
    assert logits.grad is not None
    assert logits.grad[0, 0] < 0
    assert logits.grad[0, 1] == 0


def test_the_editor_makes_what_it_is_asked_for_by_the_same_seed():
    editor, latents = Editor(), torch.zeros(1, 4, 16, 16)
    made = [
        editor.edited(latents, [text], torch.Generator().manual_seed(1))
        for text in ("smile", "smile", "put them on the beach")
    ]
    assert all(one.shape == (1, 4, 16, 16) and np.isfinite(one.numpy()).all() for one in made)
    assert torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])
