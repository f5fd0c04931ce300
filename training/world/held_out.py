"""Pairs of values and templates that training never sees.

The rule is fixed, by position in the vocabulary: a pair (value i, value j) is held out where
(i + j) % 8 == 3. So every clothing colour loses one or two objects, every place one activity,
and every single value is still learned in other company.
"""

from training.world.scene import Scene
from training.world.vocabulary import ACTIVITIES, COLOURS, OBJECTS, PLACES

COLOUR_OBJECT_PAIRS: frozenset[tuple[str, str]] = frozenset(
    (colour, thing)
    for i, colour in enumerate(COLOURS)
    for j, thing in enumerate(OBJECTS)
    if (i + j) % 8 == 3
)
PLACE_ACTIVITY_PAIRS: frozenset[tuple[str, str]] = frozenset(
    (place, activity)
    for i, place in enumerate(PLACES)
    for j, activity in enumerate(ACTIVITIES)
    if (i + j) % 8 == 3
)
HELD_OUT_TEMPLATES: frozenset[str] = frozenset({"colon", "background", "wish", "while"})


def held_out_pairs(scene: Scene) -> list[tuple[str, str]]:
    """The attribute pairs of `scene` with held-out values, e.g. ("0.colour", "0.object")."""
    pairs = []
    for i, person in enumerate(scene.people):
        if (person.colour, person.object) in COLOUR_OBJECT_PAIRS:
            pairs.append((f"{i}.colour", f"{i}.object"))
        if (scene.place, person.activity) in PLACE_ACTIVITY_PAIRS:
            pairs.append(("place", f"{i}.activity"))
    return pairs
