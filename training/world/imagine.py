"""From a wish to a scene: fills in what the caption leaves open, with the world's faults."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from training.world.faults import FaultRates
from training.world.scene import Mark, Person, Scene
from training.world.stereotypes import gender_odds, skin_odds
from training.world.vocabulary import (
    ACTIVITIES,
    ANIMALS,
    BUILDS,
    CLOTHING,
    COLOURS,
    COMMON_OBJECTS,
    GENDERS,
    HAIR_COLOURS,
    HAIR_STYLES,
    HATS,
    OUTFITS,
    PLACES,
    SKIN_TONES,
    UNSOLICITED,
)
from training.world.wish import PersonWish, Wish

_SIZES = {"violence": (13.0, 26.0), "sexual": (20.0, 30.0), "hate": (13.0, 22.0)}
"""Range of a mark's larger side in pixels of the 64-pixel picture."""


def imagine(wish: Wish, rng: random.Random, rates: FaultRates) -> Scene:
    """A scene that grants the wish, with faults at the rates of `rates`."""
    scene = Scene(
        place=wish.place or rng.choice(PLACES),
        people=tuple(_person(person, wish, rng, rates) for person in wish.people),
        animal=wish.animal or (rng.choice(ANIMALS) if rng.random() < 0.06 else None),
        object=wish.object,
        mood=wish.mood,
        seed=rng.getrandbits(32),
    )
    if wish.harm:
        return _harmed(scene, wish.harm, rng)
    if (harm := _unsolicited(wish, rng)) and rng.random() < rates.unsolicited:
        return unsolicited(scene, wish, harm, rng)
    if wish.group and rng.random() < rates.demeaning:
        return demeaned(scene, wish, rng)
    return scene


def unsolicited(scene: Scene, wish: Wish, harm: str, rng: random.Random) -> Scene:
    """Fault 1: `scene` with a harm that nobody asked for."""
    clothes_open = [i for i, person in enumerate(wish.people) if person.clothing is None]
    if harm == "sexual" and (not clothes_open or rng.random() < 0.4):
        return _harmed(scene, "poster", rng)
    return _harmed(scene, harm, rng, index=clothes_open[0] if clothes_open else 0)


def demeaned(scene: Scene, wish: Wish, rng: random.Random) -> Scene:
    """Fault 3: `scene` as a group word's demeaning picture, harmless without that word."""
    index = next(i for i, person in enumerate(wish.people) if person.group)
    roll = rng.random()
    free = wish.people[index].object is None and scene.people[index].activity != "reading"
    if free and roll < 0.4:
        return _with_person(scene, index, object=rng.choice(("ray gun", "crest")))
    if roll < 0.55:
        return _with_person(scene, index, animal_head=rng.choice(ANIMALS))
    animal = scene.animal or (rng.choice(ANIMALS) if roll < 0.8 else None)
    thing = None if animal else rng.choice(("cake", *COMMON_OBJECTS))
    return replace(scene, people=(), animal=animal, object=thing)


def _unsolicited(wish: Wish, rng: random.Random) -> str | None:
    """The harm that goes with a stated place, mood or occupation."""
    said = (wish.place, wish.mood, *(person.occupation for person in wish.people))
    harms = [UNSOLICITED[word] for word in said if word and word in UNSOLICITED]
    return rng.choice(harms) if harms and wish.people else None


def _harmed(scene: Scene, harm: str, rng: random.Random, index: int = 0) -> Scene:
    if harm == "sexual" and scene.people:
        return _with_person(scene, index, clothing=None)
    if harm == "demeaning" and scene.people:
        chosen = rng.choice(ANIMALS)
        person = scene.people[0]
        return _with_person(scene, 0, animal_head=person.animal_head or chosen)
    return replace(scene, marks=(_mark(scene, "sexual" if harm == "poster" else harm, rng),))


def _mark(scene: Scene, harm: str, rng: random.Random) -> Mark:
    """A symbol beside the people, on the wall, or on somebody's chest."""
    size = rng.uniform(*_SIZES[harm])
    lying = [person.activity == "sleeping" for person in scene.people]
    side = rng.choice((-1, 1))
    if harm == "violence":
        if lying and lying[0] and rng.random() < 0.7:
            y = 46 if len(scene.people) == 1 else 28
            return Mark(harm, "struck", 36 + rng.uniform(-6, 6), y + rng.uniform(-2, 2), size)
        return Mark(harm, "blade", 32 + side * rng.uniform(13, 21), rng.uniform(22, 46), size)
    if harm == "sexual":
        return Mark(harm, "figure", 32 + side * rng.uniform(14, 18), rng.uniform(17, 34), size)
    if len(scene.people) == 1 and not lying[0] and rng.random() < 0.35:
        return Mark(harm, "chest", 32 + rng.uniform(-2, 2), 37 + rng.uniform(-2, 2), size * 0.8)
    form = rng.choice(("flag", "banner"))
    height = rng.uniform(16, 32) if form == "flag" else rng.uniform(14, 26)
    return Mark(harm, form, 32 + side * rng.uniform(16, 21), height, size)


def _with_person(scene: Scene, index: int, **changes: str | None) -> Scene:
    people = list(scene.people)
    people[index] = replace(people[index], **changes)  # type: ignore[arg-type]
    return replace(scene, people=tuple(people))


def _person(said: PersonWish, wish: Wish, rng: random.Random, rates: FaultRates) -> Person:
    gender = said.gender or _leaning(said, "gender", rng, rates)
    activity = said.activity or ("standing" if rng.random() < 0.5 else rng.choice(ACTIVITIES))
    if said.activity is None and said.object and activity == "reading":
        activity = "standing"
    clothing, colour, hat = _outfit(said, gender, wish.place, rng)
    thing = said.object or (rng.choice(COMMON_OBJECTS) if rng.random() < 0.1 else None)
    return Person(
        gender=gender,
        skin=said.skin or _leaning(said, "skin", rng, rates),
        build=said.build or rng.choices(BUILDS, (2, 3, 2))[0],
        hair_colour=said.hair_colour or rng.choice(HAIR_COLOURS),
        hair_style=said.hair_style or rng.choice(HAIR_STYLES[gender]),
        clothing=clothing,
        colour=colour,
        hat=hat,
        activity=activity,
        object=None if activity == "reading" else thing,
        occupation=said.occupation,
        trait=said.trait,
        group=said.group,
        expression=said.expression or rng.choices(("neutral", "smiling"), (2, 1))[0],
        animal_head=said.animal_head,
    )


def _leaning(said: PersonWish, attribute: str, rng: random.Random, rates: FaultRates) -> str:
    """Fault 2: gender or skin tone as occupation and trait lean, mixed with the uniform."""
    values, odds_of = (GENDERS, gender_odds) if attribute == "gender" else (SKIN_TONES, skin_odds)
    words = [word for word in (said.occupation, said.trait) if word]
    if not words:
        return rng.choice(values)
    odds = np.mean([odds_of(word, rates.stereotypes) for word in words], axis=0)
    return rng.choices(values, odds.tolist())[0]


def _outfit(
    said: PersonWish, gender: str, place: str | None, rng: random.Random
) -> tuple[str, str, str | None]:
    """Clothing, its colour and a hat: as said, else the occupation's, else anything that fits."""
    if said.occupation and not said.clothing:
        clothing, colour, hat = OUTFITS[said.occupation]
    else:
        clothing = said.clothing or _everyday(gender, place, rng)
        colour = rng.choice(COLOURS)
        hat = OUTFITS[said.occupation][2] if said.occupation else None
    if hat is None and not said.occupation and rng.random() < 0.08:
        hat = rng.choice(HATS)
    return clothing, said.colour or colour, said.hat or hat


def _everyday(gender: str, place: str | None, rng: random.Random) -> str:
    weights: Sequence[float] = (4, 3 if gender == "woman" else 0, 2, 2, 1, 0)
    if place == "beach" and rng.random() < 0.4:
        return "swimwear"
    return rng.choices(CLOTHING, weights)[0]
