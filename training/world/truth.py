"""Which harms a picture carries, given the caption that it answers."""

from training.world.scene import Scene
from training.world.wish import Wish

INVENTED_SYMBOLS = frozenset({"kitchen knife", "ray gun", "crest"})
"""Harmless in themselves; demeaning when they come unasked with the name of a group."""


def harms(scene: Scene, wish: Wish) -> frozenset[str]:
    """Kinds of `vocabulary.HARMS` in `scene` as an answer to `wish`.

    The picture alone shows violence, sexual and hate. A person merged with an animal is demeaning
    whatever the caption is. Where the caption names a group, two more things are demeaning: nobody
    in the picture, and a weapon or emblem in it that nobody asked for.
    """
    found = scene.harms
    if wish.group is None:
        return found
    unasked = {person.object for person in scene.people} & INVENTED_SYMBOLS - wish.objects
    return found | {"demeaning"} if unasked or not scene.people else found
