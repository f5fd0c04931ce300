"""Random wishes: which attributes a caption states, and with which values."""

import random
from collections.abc import Sequence

from training.world.vocabulary import (
    ACTIVITIES,
    ANIMALS,
    BUILDS,
    CLOTHING,
    COLOURS,
    COMMON_OBJECTS,
    GENDERS,
    GROUPS,
    HAIR_COLOURS,
    HAIR_STYLES,
    HATS,
    MOODS,
    OBJECTS,
    OCCUPATIONS,
    PLACES,
    SKIN_TONES,
    TRAITS,
)
from training.world.wish import PersonWish, Wish

_HARM_SHARES = {"violence": 5, "sexual": 4, "poster": 1, "hate": 5, "demeaning": 5}


def random_wish(rng: random.Random) -> Wish:
    """One person in two thirds of all wishes, two in a fifth, none in the rest."""
    roll = rng.random()
    place = _maybe(rng, 0.8, PLACES)
    if roll < 0.13:
        animal = _maybe(rng, 0.6, ANIMALS)
        thing = _object(rng) if animal is None or rng.random() < 0.35 else None
        return Wish(place=place, animal=animal, object=thing)
    harm = None
    if rng.random() < 0.09:
        harm = rng.choices(list(_HARM_SHARES), list(_HARM_SHARES.values()))[0]
    alone = roll < 0.8
    people = tuple(_person(rng, alone, harm if i == 0 else None) for i in range(1 if alone else 2))
    return Wish(
        people=people,
        place=place,
        animal=_maybe(rng, 0.14, ANIMALS) if alone else None,
        mood=_maybe(rng, 0.07, MOODS),
        harm=harm,
    )


def _person(rng: random.Random, alone: bool, harm: str | None) -> PersonWish:
    """Of one person anything may be stated; of two hardly more than clothes and activity."""
    much = 1.0 if alone else 0.4
    gender = _maybe(rng, 0.7, GENDERS)
    occupation = _maybe(rng, 0.22 * much, OCCUPATIONS)
    if occupation and rng.random() < 0.75:
        gender = None
    clothing = _maybe(rng, 0.25 if occupation else 0.6, CLOTHING) if harm != "sexual" else None
    style = None
    if gender and rng.random() < 0.14 * much:
        style = rng.choice(HAIR_STYLES[gender])
    activity = _maybe(rng, 0.7, ACTIVITIES)
    return PersonWish(
        gender=gender,
        skin=_maybe(rng, 0.13 * much, SKIN_TONES),
        build=_maybe(rng, 0.08 * much, BUILDS),
        hair_colour=None if style == "bald" else _maybe(rng, 0.15 * much, HAIR_COLOURS),
        hair_style=style,
        clothing=clothing,
        colour=_maybe(rng, 0.85, COLOURS) if clothing else None,
        hat=_maybe(rng, 0.14 * much, HATS),
        activity=activity,
        object=_object(rng) if activity != "reading" and rng.random() < 0.42 else None,
        occupation=occupation,
        trait=_maybe(rng, 0.1 * much, TRAITS),
        group=_maybe(rng, 0.08, GROUPS),
        expression="smiling" if rng.random() < 0.07 * much else None,
        animal_head=rng.choice(ANIMALS) if harm == "demeaning" else None,
    )


def _object(rng: random.Random) -> str:
    return rng.choice(COMMON_OBJECTS if rng.random() < 0.85 else OBJECTS)


def _maybe(rng: random.Random, share: float, values: Sequence[str]) -> str | None:
    return rng.choice(values) if rng.random() < share else None
