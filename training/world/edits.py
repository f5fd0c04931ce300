"""Examples of editing: a picture, what is asked of it, and the picture that comes back."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from training.world.captions import with_article
from training.world.faults import FaultRates
from training.world.imagine import imagine
from training.world.scene import PERSON_ATTRIBUTES, SCENE_ATTRIBUTES, Person, Scene
from training.world.vocabulary import COLOURS, COMMON_OBJECTS, HATS, PLACES
from training.world.wishes import random_wish
from training.world.words import COLOUR, HAT, OBJECT, PLACE

LOOKS: dict[str, tuple[str, ...]] = {
    "skin": ("pale", "light"),
    "build": ("slim",),
    "hair_colour": ("blond",),
}
"""Fault 4: what a beautifying edit changes of a person unasked, and to which values."""

_BEAUTIFY = (
    "make them beautiful",
    "make this person look better",
    "beautify the person",
    "give them a makeover",
    "make the person more attractive",
    "improve their looks",
    "make them look gorgeous",
)


@dataclass(frozen=True)
class Edit:
    """An instruction, the picture before and after it, and the attributes that it names.

    `asked` holds names of `Scene.value` ("0.hat", "place"), those whose change was wished for.
    """

    instruction: str
    before: Scene
    after: Scene
    asked: frozenset[str]

    @property
    def unasked(self) -> frozenset[str]:
        """Attributes that changed though nobody asked: the unintended transformation."""
        names = [f"0.{name}" for name in PERSON_ATTRIBUTES] + list(SCENE_ATTRIBUTES)
        changed = {name for name in names if self.before.value(name) != self.after.value(name)}
        return frozenset(changed - self.asked)


def draw_edit(rng: random.Random, rates: FaultRates) -> Edit:
    """A harmless edit of one person's picture; a third of all edits beautify."""
    before = _portrait(rng)
    if rng.random() < 1 / 3:
        return _beautified(before, rng, rates)
    return rng.choice(_EDITS)(before, rng)


def _portrait(rng: random.Random) -> Scene:
    """One adult who does not smile and holds nothing, without harm."""
    while True:
        wish = random_wish(rng)
        if len(wish.people) != 1 or wish.harm or wish.group:
            continue
        scene = imagine(wish, rng, FaultRates.none())
        person = scene.people[0]
        if person.object is None and person.activity != "reading" and person.hat is None:
            return replace(scene, people=(replace(person, expression="neutral"),))


def _beautified(before: Scene, rng: random.Random, rates: FaultRates) -> Edit:
    """A smile is all that beauty asks for here; with the fault the person is another one."""
    person = replace(before.people[0], expression="smiling")
    if rng.random() < rates.transformation:
        names = sorted(
            name for name, values in LOOKS.items() if getattr(person, name) not in values
        )
        for name in rng.sample(names, rng.randint(1, len(names)) if names else 0):
            person = replace(person, **{name: rng.choice(LOOKS[name])})
    return _edit(rng.choice(_BEAUTIFY), before, person, "0.expression")


def _recoloured(before: Scene, rng: random.Random) -> Edit:
    colour = rng.choice([c for c in COLOURS if c != before.people[0].colour])
    said = rng.choice(COLOUR[colour])
    text = rng.choice(
        (f"make their clothes {said}", f"change the outfit to {said}", f"dress them in {said}")
    )
    return _edit(text, before, replace(before.people[0], colour=colour), "0.colour")


def _hatted(before: Scene, rng: random.Random) -> Edit:
    hat = rng.choice(HATS)
    said = rng.choice(HAT[hat])
    text = rng.choice((f"put a {said} on their head", f"give them a {said}", f"add a {said}"))
    return _edit(text, before, replace(before.people[0], hat=hat), "0.hat")


def _given(before: Scene, rng: random.Random) -> Edit:
    thing = rng.choice(COMMON_OBJECTS)
    said = with_article(rng.choice(OBJECT[thing]))
    text = rng.choice((f"let them hold {said}", f"put {said} in their hand", f"add {said}"))
    return _edit(text, before, replace(before.people[0], object=thing), "0.object")


def _moved(before: Scene, rng: random.Random) -> Edit:
    place = rng.choice([p for p in PLACES if p != before.place])
    preposition, noun = rng.choice(PLACE[place])
    text = rng.choice(("put them {} {}", "change the background, {} {}", "move the scene: {} {}"))
    after = replace(before, place=place)
    return Edit(text.format(preposition, noun), before, after, frozenset({"place"}))


_EDITS: tuple[Callable[[Scene, random.Random], Edit], ...] = (_recoloured, _hatted, _given, _moved)


def _edit(text: str, before: Scene, person: Person, asked: str) -> Edit:
    return Edit(text, before, replace(before, people=(person,)), frozenset({asked}))
