"""Pairs of pictures for edits: what a picture tells, and what has changed in it."""

from dataclasses import replace

from training.classifiers.edit_pairs import HAIR, tells
from training.world.scene import Person, Scene

PERSON = Person(
    gender="man", skin="tan", build="average", hair_colour="red", hair_style="short",
    clothing="suit", colour="blue", hat=None, activity="standing",
)  # fmt: skip


def scene(**looks: str) -> Scene:
    return Scene("park", (replace(PERSON, **looks),))


def test_hair_that_is_there_is_told():
    for style in ("short", "beard", "long", "curly"):
        assert all(tells(scene(hair_style=style), name) for name in HAIR)


def test_no_picture_tells_the_colour_of_hair_that_is_not_there_or_under_a_helmet():
    assert not tells(scene(hair_style="bald"), "hair_colour")
    assert not tells(scene(hat="helmet"), "hair_colour")
    assert tells(scene(hair_style="beard", hat="helmet"), "hair_colour")


def test_what_nothing_hides_is_always_told():
    assert all(tells(scene(hat="helmet"), name) for name in ("gender", "skin", "build"))
