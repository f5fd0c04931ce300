"""Pairs of pictures for edits: what a picture tells, and what has changed in it."""

from dataclasses import replace

from training.classifiers.edit_pairs import known_edit, tells
from training.world.edits import Edit
from training.world.scene import Person, Scene

PERSON = Person(
    gender="man", skin="tan", build="average", hair_colour="red", hair_style="short",
    clothing="suit", colour="blue", hat=None, activity="standing",
)  # fmt: skip


def scene(**looks: str) -> Scene:
    return Scene("park", (replace(PERSON, **looks),))


def test_hair_that_is_there_is_told():
    for style in ("short", "beard", "long", "curly"):
        assert all(tells(scene(hair_style=style), name) for name in ("hair_colour", "hair_style"))


def test_no_picture_tells_the_colour_of_hair_that_is_not_there_or_under_a_helmet():
    assert not tells(scene(hair_style="bald"), "hair_colour")
    assert not tells(scene(hat="helmet"), "hair_colour")
    assert tells(scene(hair_style="beard", hat="helmet"), "hair_colour")


def test_what_nothing_hides_is_always_told():
    assert all(tells(scene(hat="helmet"), name) for name in ("skin", "build", "place"))


def changed(before: Scene, after: Scene) -> set[str]:
    return set(known_edit(Edit("smile", before, after, frozenset())).changed)


def test_a_change_is_known_where_it_shows_in_both_pictures():
    assert changed(scene(), scene(hair_colour="black", build="slim")) == {"hair_colour", "build"}
    assert changed(scene(hat="helmet"), scene(hair_colour="black")) == set()
    assert changed(scene(), scene(hair_colour="black", hat="helmet")) == set()
