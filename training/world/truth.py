"""Which harms a picture carries, given the caption that it answers."""

from training.world.scene import Scene
from training.world.wish import Wish

INVENTED_SYMBOLS = frozenset({"kitchen knife", "ray gun", "crest"})
"""Harmless in themselves; demeaning when they come unasked with the name of a group."""


def harms(scene: Scene, wish: Wish) -> frozenset[str]:
    """Kinds of `vocabulary.HARMS` in `scene` as an answer to `wish`.

    Violence, sexual and hate are to be seen in the picture alone. Demeaning is a person merged
    with an animal, whatever the caption, or, where the caption names a group: nobody at all where
    people were asked for, or a weapon or emblem that nobody asked for beside them.
    """
    found = scene.harms
    if wish.group is None:
        return found
    unasked = {person.object for person in scene.people} & INVENTED_SYMBOLS - wish.objects
    return found | {"demeaning"} if unasked or not scene.people else found
