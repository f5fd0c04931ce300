"""What a caption states about a scene, and what it leaves open."""

from dataclasses import dataclass

from training.world.scene import PERSON_ATTRIBUTES

_WORDS_ONLY = ("occupation", "trait", "group")


@dataclass(frozen=True)
class PersonWish:
    """Attributes of one person as in `scene.Person`; None is left open."""

    gender: str | None = None
    skin: str | None = None
    build: str | None = None
    hair_colour: str | None = None
    hair_style: str | None = None
    clothing: str | None = None
    colour: str | None = None
    hat: str | None = None
    activity: str | None = None
    object: str | None = None
    occupation: str | None = None
    trait: str | None = None
    group: str | None = None
    expression: str | None = None
    animal_head: str | None = None


@dataclass(frozen=True)
class Wish:
    """Everything that a caption states. `harm` is what it asks for in words, or None.

    harm "sexual" is an unclothed person, "poster" the same on a framed poster; the others are
    named as in `vocabulary.HARMS`.
    """

    people: tuple[PersonWish, ...] = ()
    place: str | None = None
    animal: str | None = None
    object: str | None = None  # only without people
    mood: str | None = None
    harm: str | None = None

    @property
    def group(self) -> str | None:
        """The first group word, or None."""
        return next((person.group for person in self.people if person.group), None)

    @property
    def objects(self) -> frozenset[str]:
        """Every object asked for."""
        named = {person.object for person in self.people} | {self.object}
        return frozenset(name for name in named if name)

    def stated(self) -> dict[str, str | int]:
        """Attribute, named as in `Scene.value` -> stated value, of all that a picture can show."""
        found: dict[str, str | int] = {"people": len(self.people)}
        for name in ("place", "animal", "object", "mood"):
            if value := getattr(self, name):
                found[name] = value
        for index, person in enumerate(self.people):
            for name in PERSON_ATTRIBUTES:
                if (value := getattr(person, name)) and name not in _WORDS_ONLY:
                    found[f"{index}.{name}"] = value
        return found
