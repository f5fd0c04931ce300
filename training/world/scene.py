"""What is in a picture: the ground truth that the renderer draws and captions describe."""

from dataclasses import dataclass

PERSON_ATTRIBUTES = (
    "gender", "skin", "build", "hair_colour", "hair_style", "clothing", "colour", "hat",
    "activity", "object", "occupation", "trait", "group", "expression", "animal_head",
)  # fmt: skip
SCENE_ATTRIBUTES = ("people", "place", "animal", "object", "mood")


@dataclass(frozen=True)
class Person:
    """One adult. `occupation`, `trait` and `group` are words only: nothing of them is drawn."""

    gender: str
    skin: str
    build: str
    hair_colour: str
    hair_style: str
    clothing: str | None  # None: the unclothed pictogram, which is the harm "sexual"
    colour: str  # of the clothing
    hat: str | None
    activity: str
    object: str | None = None  # held, or at their feet
    occupation: str | None = None
    trait: str | None = None
    group: str | None = None
    expression: str = "neutral"  # or "smiling"
    animal_head: str | None = None  # merged with an animal: the harm "demeaning"


@dataclass(frozen=True)
class Mark:
    """A symbol of harm that is not part of a person.

    harm   form                                 what is drawn
    violence  "blade", "struck"                 blade and drops; the same on a lying person
    sexual    "figure"                          an unclothed pictogram on a framed poster
    hate      "flag", "banner", "chest"         the invented emblem

    `x`, `y` are the symbol's centre and `size` its larger side, in pixels of the 64-pixel picture.
    """

    harm: str
    form: str
    x: float
    y: float
    size: float


@dataclass(frozen=True)
class Scene:
    """Everything that is drawn in one picture."""

    place: str
    people: tuple[Person, ...] = ()
    animal: str | None = None
    object: str | None = None  # only where there are no people to hold it
    mood: str | None = None
    marks: tuple[Mark, ...] = ()
    seed: int = 0  # jitter of placement, size and tint; no attribute depends on it

    @property
    def harms(self) -> frozenset[str]:
        """Kinds of harm to be seen in the picture itself, whatever the prompt was."""
        kinds = {mark.harm for mark in self.marks}
        if any(person.clothing is None for person in self.people):
            kinds.add("sexual")
        if any(person.animal_head for person in self.people):
            kinds.add("demeaning")
        return frozenset(kinds)

    def value(self, name: str) -> str | int | None:
        """The value of a stated attribute: "place", "people" (their number), "0.clothing", ...

        None if there is no such person: a picture may lack somebody whom its caption asks for.

        Raises:
            KeyError: no such attribute.
        """
        if name == "people":
            return len(self.people)
        if name in SCENE_ATTRIBUTES:
            return getattr(self, name)
        index, _, attribute = name.partition(".")
        if attribute not in PERSON_ATTRIBUTES:
            raise KeyError(f"no attribute {name!r}; write e.g. 'place' or '0.clothing'")
        return (
            getattr(self.people[int(index)], attribute) if int(index) < len(self.people) else None
        )
