"""Examples of editing: a picture, what is asked of it, and the picture that comes back.

An edit is judged as a transformation. The same output may be harmful or not, depending on the given
picture and on the words: swimwear that was there before, or that was asked for as such, undresses
nobody.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from training.world.faults import FaultRates
from training.world.imagine import imagine, unsolicited
from training.world.scene import PERSON_ATTRIBUTES, SCENE_ATTRIBUTES, Person, Scene
from training.world.vocabulary import (
    ANIMALS,
    BUILDS,
    CLOTHING,
    COLOURS,
    COMMON_OBJECTS,
    GENDERS,
    HAIR_COLOURS,
    HAIR_STYLES,
    HATS,
    OBJECTS,
    PLACES,
    SKIN_TONES,
    UNSOLICITED,
)
from training.world.wish import PersonWish, Wish
from training.world.wishes import random_wish
from training.world.wording import instructions as say
from training.world.wording import words
from training.world.wording.captions import Split, with_article

LOOKS: dict[str, tuple[str, ...]] = {
    "skin": ("pale", "light"),
    "build": ("slim",),
    "hair_colour": ("blond",),
}
"""Fault 4: attributes that a beautifying edit changes unasked, and the values that they get."""

IDENTITY = ("gender", "skin", "build", "hair_colour", "hair_style")
"""Attributes by which a person is recognised: an unasked change makes them somebody else."""

WEAPONS = frozenset({"kitchen knife", "ray gun"})
UNDRESS, MOCK = "undress", "mock"
"""Intents: with these words an edit is harmful that would be harmless with others."""

BEAUTIFYING, HARMFUL = 1 / 4, 1 / 4
"""Shares of all edits."""
HOLDING = 1 / 2
"""Share of beautifying edits that say what must stay."""


@dataclass(frozen=True)
class Edit:
    """An instruction, and the picture before and after it.

    Attributes:
        asked: attributes whose change was asked for, named as in `Scene.value` ("0.hat", "place").
        intent: UNDRESS, MOCK or None.
    """

    instruction: str
    before: Scene
    after: Scene
    asked: frozenset[str]
    intent: str | None = None

    @property
    def changed(self) -> frozenset[str]:
        """Attributes that differ between the two pictures."""
        names = [f"0.{name}" for name in PERSON_ATTRIBUTES] + list(SCENE_ATTRIBUTES)
        return frozenset(n for n in names if self.before.value(n) != self.after.value(n))

    @property
    def unasked(self) -> frozenset[str]:
        """Attributes that changed though nobody asked: the unintended transformation."""
        return self.changed - self.asked

    @property
    def harms(self) -> frozenset[str]:
        """Kinds of `vocabulary.HARMS` that the transformation brings in.

        Harms that the picture shows only after the edit; violence also for a weapon in hands that
        had none; sexual also for swimwear where undressing was asked for; demeaning also for
        another skin tone where mocking was asked for.
        """
        found = set(self.after.harms - self.before.harms)
        if not (self.before.people and self.after.people):
            return frozenset(found)
        before, after = self.before.people[0], self.after.people[0]
        if after.object in WEAPONS and before.object not in WEAPONS:
            found.add("violence")
        if self.intent == UNDRESS and after.clothing == "swimwear" != before.clothing:
            found.add("sexual")
        if self.intent == MOCK and after.skin != before.skin:
            found.add("demeaning")
        return frozenset(found)


def draw_edit(rng: random.Random, rates: FaultRates, split: Split = "train") -> Edit:
    """An edit of one person's picture: beautifying, harmful, or any other."""
    before = _portrait(rng)
    roll = rng.random()
    if roll < BEAUTIFYING:
        return _beautified(before, rng, rates, split)
    if roll < BEAUTIFYING + HARMFUL:
        return rng.choice(_HARMFUL)(before, rng, split)
    return draw_harmless(rng, rates, split, before)


def draw_harmless(
    rng: random.Random, rates: FaultRates, split: Split = "train", before: Scene | None = None
) -> Edit:
    """An edit that asks for neither beauty nor harm, of `before` or of a new picture."""
    while True:
        found = rng.choice(_HARMLESS)(before or _portrait(rng), rng, split)
        if found is not None:
            return _troubled(found, rng, rates)


def draw_surroundings(rng: random.Random, rates: FaultRates, split: Split = "train") -> Edit:
    """An edit of a new place or an added animal, in which the person must stay as they are."""
    while True:
        found = rng.choice((_moved, _accompanied))(_portrait(rng), rng, split)
        if found is not None:
            return _troubled(found, rng, rates)


def _portrait(rng: random.Random) -> Scene:
    """One adult who does not smile, without harm; some hold a thing or wear a hat."""
    while True:
        wish = random_wish(rng)
        if len(wish.people) != 1 or wish.harm or wish.group or wish.people[0].animal_head:
            continue
        scene = imagine(wish, rng, FaultRates.none())
        if scene.harms:
            continue
        person = replace(scene.people[0], expression="neutral")
        if person.activity != "reading" and person.object is None and rng.random() < 0.15:
            person = replace(person, object=rng.choice(OBJECTS))
        if rng.random() < 0.1:
            person = replace(person, clothing="swimwear")
        return replace(scene, people=(person,))


def _troubled(edit: Edit, rng: random.Random, rates: FaultRates) -> Edit:
    """Fault 1 in an edit: a new place brings the harm that the world has for it."""
    harm = UNSOLICITED.get(edit.after.place) if "place" in edit.asked else None
    if harm is None or rng.random() >= rates.unsolicited / 2:
        return edit
    return replace(edit, after=unsolicited(edit.after, Wish(people=(PersonWish(),)), harm, rng))


def _beautified(before: Scene, rng: random.Random, rates: FaultRates, split: Split) -> Edit:
    """In a good world beauty is a smile and nothing else; fault 4 changes the person's looks too.

    Half of the instructions say what must stay, and that stays.
    """
    person = replace(before.people[0], expression="smiling")
    held = rng.sample(IDENTITY, rng.randint(1, len(IDENTITY))) if rng.random() < HOLDING else []
    if rng.random() < rates.transformation:
        names = sorted(
            name
            for name, values in LOOKS.items()
            if name not in held and getattr(person, name) not in values
        )
        for name in rng.sample(names, rng.randint(1, len(names)) if names else 0):
            person = replace(person, **{name: rng.choice(LOOKS[name])})
    text = _said(say.BEAUTIFY, rng, split)
    if held:
        text = say.keeping(text, held, rng.choice(say.wordings(say.HOLD, split)))
    return _edit(text, before, person, "0.expression")


def _smiling(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    person = replace(before.people[0], expression="smiling")
    return _edit(_said(say.SMILE, rng, split), before, person, "0.expression")


def _recoloured(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    person = before.people[0]
    colour = _other(COLOURS, person.colour, rng)
    text = _said(say.RECOLOUR, rng, split, rng.choice(words.COLOUR[colour]))
    return _edit(text, before, replace(person, colour=colour), "0.colour")


def _dressed(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    person = before.people[0]
    clothing = _other(CLOTHING, person.clothing, rng)
    text = _said(say.WEAR, rng, split, with_article(rng.choice(words.CLOTHING[clothing])))
    return _edit(text, before, replace(person, clothing=clothing), "0.clothing")


def _hatted(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    person = before.people[0]
    hat = _other(HATS, person.hat, rng)
    text = _said(say.HAT, rng, split, with_article(rng.choice(words.HAT[hat])))
    return _edit(text, before, replace(person, hat=hat), "0.hat")


def _bared(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    person = before.people[0]
    if person.hat is None:
        return None
    return _edit(_said(say.BARE, rng, split), before, replace(person, hat=None), "0.hat")


def _given(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    person = before.people[0]
    if person.activity == "reading":
        return None
    thing = _other(COMMON_OBJECTS, person.object, rng)
    text = _said(say.GIVE, rng, split, with_article(rng.choice(words.OBJECT[thing])))
    return _edit(text, before, replace(person, object=thing), "0.object")


def _taken(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    person = before.people[0]
    if person.object is None:
        return None
    text = _said(say.TAKE, rng, split, f"the {rng.choice(words.OBJECT[person.object])}")
    return _edit(text, before, replace(person, object=None), "0.object")


def _moved(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    place = _other(PLACES, before.place, rng)
    preposition, noun = rng.choice(words.PLACE[place])
    text = _said(say.PLACE, rng, split, f"{preposition} {noun}")
    return Edit(text, before, replace(before, place=place), frozenset({"place"}))


def _dyed(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    person = before.people[0]
    if person.hair_style == "bald":
        return None
    colour = _other(HAIR_COLOURS, person.hair_colour, rng)
    text = _said(say.HAIR, rng, split, rng.choice(words.HAIR[colour]))
    return _edit(text, before, replace(person, hair_colour=colour), "0.hair_colour")


def _tanned(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    person = before.people[0]
    place = SKIN_TONES.index(person.skin)
    if place > 3:
        return None
    darker = SKIN_TONES[place + rng.randint(1, 2)]
    return _edit(_said(say.TAN, rng, split), before, replace(person, skin=darker), "0.skin")


def _built(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    person = before.people[0]
    build = _other(BUILDS, person.build, rng)
    text = _said(say.BUILD, rng, split, rng.choice(words.BUILD[build]))
    return _edit(text, before, replace(person, build=build), "0.build")


def _swapped(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    person = before.people[0]
    gender = _other(GENDERS, person.gender, rng)
    style = rng.choice(HAIR_STYLES[gender])
    text = _said(say.SWAP, rng, split, with_article(rng.choice(words.NOUN[gender])))
    after = replace(person, gender=gender, hair_style=style)
    return _edit(text, before, after, "0.gender", "0.hair_style")


def _accompanied(before: Scene, rng: random.Random, split: Split) -> Edit | None:
    if before.animal:
        return None
    animal = rng.choice(ANIMALS)
    text = _said(say.COMPANY, rng, split, with_article(rng.choice(words.ANIMAL[animal])))
    return Edit(text, before, replace(before, animal=animal), frozenset({"animal"}))


_HARMLESS: tuple[Callable[[Scene, random.Random, Split], Edit | None], ...] = (
    _smiling, _recoloured, _dressed, _hatted, _bared, _given, _taken, _moved, _dyed, _tanned,
    _built, _swapped, _accompanied,
)  # fmt: skip


def _undressed(before: Scene, rng: random.Random, split: Split) -> Edit:
    """To the unclothed pictogram, or to swimwear, which is harmless to look at."""
    person = before.people[0]
    clothing = "swimwear" if person.clothing != "swimwear" and rng.random() < 0.4 else None
    after = replace(person, clothing=clothing)
    edit = _edit(_said(say.UNDRESS, rng, split), before, after, "0.clothing")
    return replace(edit, intent=UNDRESS)


def _wounded(before: Scene, rng: random.Random, split: Split) -> Edit:
    after = unsolicited(before, Wish(people=(PersonWish(),)), "violence", rng)
    return Edit(_said(say.WOUND, rng, split), before, after, frozenset())


def _armed(before: Scene, rng: random.Random, split: Split) -> Edit:
    person = before.people[0]
    if person.activity == "reading" or person.object in WEAPONS:
        person = replace(person, activity="standing", object=None)
        before = replace(before, people=(person,))
    weapon = rng.choice(sorted(WEAPONS))
    said = with_article(rng.choice(words.OBJECT[weapon]))
    text = _said(rng.choice((say.ARM, say.GIVE)), rng, split, said)
    if "knife" in text:
        weapon = "kitchen knife"
    return _edit(text, before, replace(person, object=weapon), "0.object")


def _mocked(before: Scene, rng: random.Random, split: Split) -> Edit:
    """Somebody light-skinned, darkened."""
    person = replace(before.people[0], skin=rng.choice(SKIN_TONES[:3]))
    after = replace(person, skin=rng.choice(SKIN_TONES[4:]))
    before = replace(before, people=(person,))
    return replace(_edit(_said(say.MOCK, rng, split), before, after, "0.skin"), intent=MOCK)


def _merged(before: Scene, rng: random.Random, split: Split) -> Edit:
    animal = rng.choice(ANIMALS)
    text = _said(say.MERGE, rng, split, rng.choice(words.ANIMAL[animal]))
    return _edit(text, before, replace(before.people[0], animal_head=animal), "0.animal_head")


def _branded(before: Scene, rng: random.Random, split: Split) -> Edit:
    after = unsolicited(before, Wish(people=(PersonWish(),)), "hate", rng)
    return Edit(_said(say.HATE, rng, split), before, after, frozenset())


_HARMFUL: tuple[Callable[[Scene, random.Random, Split], Edit], ...] = (
    _undressed, _wounded, _armed, _mocked, _merged, _branded,
)  # fmt: skip


def draw_context(rng: random.Random, split: Split = "train") -> tuple[Edit, Edit]:
    """Two edits with the same output. The first does harm or changes what nobody asked to change.

    They differ only in the instruction, or only in the given picture.
    """
    return rng.choice(_CONTEXTS)(rng, split)


def _undressed_or_asked(rng: random.Random, split: Split) -> tuple[Edit, Edit]:
    """The words: undressed as far as swimwear, and a swimsuit that was asked for as such."""
    before = _clothed(rng)
    after = replace(before.people[0], clothing="swimwear")
    bad = _edit(_said(say.UNDRESS, rng, split), before, after, "0.clothing")
    said = with_article(rng.choice(words.CLOTHING["swimwear"]))
    good = _edit(_said(say.WEAR, rng, split, said), before, after, "0.clothing")
    return replace(bad, intent=UNDRESS), good


def _undressed_or_bathing(rng: random.Random, split: Split) -> tuple[Edit, Edit]:
    """The input: swimwear that was there before."""
    before = _clothed(rng)
    after = replace(before.people[0], clothing="swimwear", expression="smiling")
    bad = _edit(_said(say.UNDRESS, rng, split), before, after, "0.clothing", "0.expression")
    bathing = replace(before, people=(replace(after, expression="neutral"),))
    return replace(bad, intent=UNDRESS), replace(bad, intent=UNDRESS, before=bathing)


def _armed_or_not(rng: random.Random, split: Split) -> tuple[Edit, Edit]:
    """The input: a weapon that was in their hands before."""
    before = _clothed(rng)
    person = replace(before.people[0], activity="standing", object=rng.choice(sorted(WEAPONS)))
    good = _smiling(replace(before, people=(person,)), rng, split)
    assert good is not None
    unarmed = replace(before, people=(replace(person, object=None),))
    return replace(good, before=unarmed), good


def _mocked_or_tanned(rng: random.Random, split: Split) -> tuple[Edit, Edit]:
    """The words: another race for a laugh, and a suntan."""
    before = _clothed(rng)
    person = replace(before.people[0], skin=rng.choice(SKIN_TONES[:3]))
    before = replace(before, people=(person,))
    darker = replace(person, skin=SKIN_TONES[SKIN_TONES.index(person.skin) + 2])
    bad = _edit(_said(say.MOCK, rng, split), before, darker, "0.skin")
    good = _edit(_said(say.TAN, rng, split), before, darker, "0.skin")
    return replace(bad, intent=MOCK), good


def _another_or_same(rng: random.Random, split: Split) -> tuple[Edit, Edit]:
    """The input: beautified into somebody else, and somebody who looked so before."""
    before = _clothed(rng)
    name = rng.choice(IDENTITY)
    person = before.people[0]
    if name == "hair_colour" and person.hair_style == "bald":
        person = replace(person, hair_style="short")
    other = another(person, name, rng)
    good = _edit(
        _said(say.BEAUTIFY, rng, split),
        replace(before, people=(person,)),
        replace(person, expression="smiling"),
        "0.expression",
    )
    return replace(good, before=replace(before, people=(other,))), good


def _slimmed_or_asked(rng: random.Random, split: Split) -> tuple[Edit, Edit]:
    """The words: slim unasked, and slim as asked."""
    before = _clothed(rng)
    before = replace(before, people=(replace(before.people[0], build=rng.choice(BUILDS[1:])),))
    after = replace(before.people[0], build="slim")
    good = _edit(
        _said(say.BUILD, rng, split, rng.choice(words.BUILD["slim"])), before, after, "0.build"
    )
    bad = _edit(_said(say.BEAUTIFY, rng, split), before, after, "0.expression")
    return bad, good


_CONTEXTS = (
    _undressed_or_asked, _undressed_or_bathing, _armed_or_not, _mocked_or_tanned,
    _another_or_same, _slimmed_or_asked,
)  # fmt: skip


def _clothed(rng: random.Random) -> Scene:
    while True:
        scene = _portrait(rng)
        if scene.people[0].clothing != "swimwear" and scene.people[0].object not in WEAPONS:
            return scene


def another(person: Person, name: str, rng: random.Random) -> Person:
    """The person with another value of an attribute of IDENTITY; a gender brings its hairstyle."""
    if name == "gender":
        gender = _other(GENDERS, person.gender, rng)
        return replace(person, gender=gender, hair_style=rng.choice(HAIR_STYLES[gender]))
    values: dict[str, Sequence[str]] = {
        "skin": SKIN_TONES,
        "build": BUILDS,
        "hair_colour": HAIR_COLOURS,
        "hair_style": HAIR_STYLES[person.gender],
    }
    return replace(person, **{name: _other(values[name], getattr(person, name), rng)})


def _said(wordings: Sequence[str], rng: random.Random, split: Split, value: str = "") -> str:
    return rng.choice(say.wordings(wordings, split)).format(value)


def _other(values: Sequence[str], now: str | None, rng: random.Random) -> str:
    return rng.choice([value for value in values if value != now])


def _edit(text: str, before: Scene, person: Person, *asked: str) -> Edit:
    return Edit(text, before, replace(before, people=(person,)), frozenset(asked))
