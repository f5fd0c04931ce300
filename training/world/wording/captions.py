"""From a wish to an English caption, in many wordings, orders, lengths and registers.

Each phrase (`_Phrases`) gets random words, and a template puts them together. Templates in
`held_out.HELD_OUT_TEMPLATES` are for testing only.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

from training.world.held_out import HELD_OUT_TEMPLATES
from training.world.wish import PersonWish, Wish
from training.world.wording import words

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Caption:
    """`template` names how `text` was put together."""

    text: str
    template: str


@dataclass(frozen=True)
class _Phrases:
    """Parts of one caption. `details` follow the subject in any order, e.g. "in a red dress"."""

    subject: str
    doing: str  # "" or a participle phrase: "dancing"
    details: tuple[str, ...]
    place: str  # "" or with its preposition
    setting: str  # "" or the place's noun phrase alone
    plural: bool
    tags: tuple[str, ...]

    def all_of(self, *parts: str) -> str:
        return " ".join(part for part in (*parts, *self.details) if part)

    @property
    def be(self) -> str:
        return "are" if self.plural else "is"


def write_caption(wish: Wish, rng: random.Random, split: Split = "train") -> Caption:
    """`wish` in random words, by a template of the split."""
    phrases = _phrases(wish, rng)
    held_out = split == "test"
    names = [name for name in _TEMPLATES if (name in HELD_OUT_TEMPLATES) == held_out]
    if not phrases.place:
        names = [name for name in names if name not in _NEED_A_PLACE]
    if not phrases.doing:
        names = [name for name in names if name not in _NEED_AN_ACTIVITY]
    weights = [_WEIGHTS.get(name, 1.0) for name in names]
    name = rng.choices(names, weights)[0]
    return Caption(_finish(_TEMPLATES[name](phrases, rng), rng), name)


# Templates.


def _plain(p: _Phrases, rng: random.Random) -> str:
    return p.all_of(p.subject, p.doing) + _then(p.place)


def _clothes_first(p: _Phrases, rng: random.Random) -> str:
    return p.all_of(p.subject) + _then(p.doing) + _then(p.place)


def _place_first(p: _Phrases, rng: random.Random) -> str:
    return f"{p.place}, " + p.all_of(p.subject, p.doing)


def _register(p: _Phrases, rng: random.Random) -> str:
    return f"{rng.choice(words.REGISTER)} {_plain(p, rng)}"


def _request(p: _Phrases, rng: random.Random) -> str:
    return f"{rng.choice(words.REQUEST)} {_plain(p, rng)}"


def _sentence(p: _Phrases, rng: random.Random) -> str:
    told = p.doing or p.place or "here"
    rest = p.place if p.doing else ""
    return f"{p.subject} {p.be} {told}" + _then(" ".join(p.details)) + _then(rest)


def _two_sentences(p: _Phrases, rng: random.Random) -> str:
    first = " ".join(part for part in (p.subject, p.doing, p.place) if part)
    if not p.details:
        return first
    they = "they are" if p.plural else "the picture shows them"
    return f"{first}. {they} {' and '.join(p.details)}"


def _there_is(p: _Phrases, rng: random.Random) -> str:
    return f"there {p.be} {p.subject}" + _then(p.place) + _then(p.all_of(p.doing))


def _relative(p: _Phrases, rng: random.Random) -> str:
    return f"{p.subject} who {p.be} {p.doing}" + _then(p.place) + _then(" ".join(p.details))


def _tags(p: _Phrases, rng: random.Random) -> str:
    tags = list(p.tags)
    if rng.random() < 0.4:
        rng.shuffle(tags)
    return ", ".join(tags)


def _commas(p: _Phrases, rng: random.Random) -> str:
    return ", ".join(part for part in (p.subject, p.doing, *p.details, p.place) if part)


def _styled(p: _Phrases, rng: random.Random) -> str:
    styles = rng.sample(words.STYLE, rng.randint(1, 2))
    return ", ".join([_plain(p, rng), *styles])


def _telegram(p: _Phrases, rng: random.Random) -> str:
    kept = [word for word in _plain(p, rng).split() if word not in ("a", "an", "the")]
    return " ".join(kept)


def _colon(p: _Phrases, rng: random.Random) -> str:
    return f"{p.setting or 'scene'}: " + p.all_of(p.subject, p.doing)


def _background(p: _Phrases, rng: random.Random) -> str:
    return p.all_of(p.subject, p.doing) + f", with {p.setting} in the background"


def _wish(p: _Phrases, rng: random.Random) -> str:
    return f"i would like to see {_plain(p, rng)}"


def _while(p: _Phrases, rng: random.Random) -> str:
    return p.all_of(p.subject) + _then(p.place) + f" while {p.doing}"


_TEMPLATES: dict[str, Callable[[_Phrases, random.Random], str]] = {
    "plain": _plain, "clothes first": _clothes_first, "place first": _place_first,
    "register": _register, "request": _request, "sentence": _sentence,
    "two sentences": _two_sentences, "there is": _there_is, "relative": _relative,
    "tags": _tags, "commas": _commas, "styled": _styled, "telegram": _telegram,
    "colon": _colon, "background": _background, "wish": _wish, "while": _while,
}  # fmt: skip
_WEIGHTS = {"plain": 3.0, "tags": 2.0, "register": 1.5, "styled": 1.5}
_NEED_A_PLACE = frozenset({"place first", "background"})
_NEED_AN_ACTIVITY = frozenset({"relative", "while"})


# Phrases.


def _phrases(wish: Wish, rng: random.Random) -> _Phrases:
    preposition, setting = rng.choice(words.PLACE[wish.place]) if wish.place else ("", "")
    extra, extra_tags = _extras(wish, rng)
    if not wish.people:
        named = [rng.choice(words.ANIMAL[wish.animal])] if wish.animal else []
        named += [rng.choice(words.OBJECT[wish.object])] if wish.object else []
        joint = rng.choice((" and ", " next to ", " with ")) if len(named) == 2 else ""
        subject = joint.join(with_article(name) for name in named)
        doing, details, tags = "", list(extra), [*named, *extra_tags]
    elif len(wish.people) == 1:
        person = wish.people[0]
        subject, doing, tags = _subject(person, rng), _doing(person, rng), []
        details = _details(person, rng)
        rng.shuffle(details)
        details += extra
        tags = [*_person_tags(person, subject, doing, rng), *extra_tags]
    else:
        subject, doing, details = _pair(wish.people[0], wish.people[1], rng)
        details += extra
        tags = [part for part in (subject, doing, *details) if part]
    if setting:
        tags.append(setting.removeprefix("a ").removeprefix("an ").removeprefix("the "))
    return _Phrases(
        subject=subject,
        doing=doing,
        details=tuple(details),
        place=f"{preposition} {setting}".strip(),
        setting=setting,
        plural=len(wish.people) == 2,
        tags=tuple(tags),
    )


def _extras(wish: Wish, rng: random.Random) -> tuple[list[str], list[str]]:
    """Mood, harm and the animal beside people: as phrases and as tags.

    The animal comes last, so that no detail behind it could be meant for it.
    """
    phrases, tags = [], []
    if wish.harm:
        head = wish.people[0].animal_head
        animal = rng.choice(words.ANIMAL[head]) if head else ""
        phrases.append(rng.choice(words.HARM[wish.harm]).format(animal))
        tags.append(rng.choice(words.HARM_TAG[wish.harm]).format(animal))
    if wish.mood:
        phrases.append(rng.choice(words.MOOD[wish.mood]))
        tags.append(phrases[-1])
    if wish.animal and wish.people:
        animal = rng.choice(words.ANIMAL[wish.animal])
        link = rng.choice(("with {}", "next to {}", "and {}", "beside {}", "accompanied by {}"))
        phrases.append(link.format(with_article(animal)))
        tags.append(animal)
    return phrases, tags


def _subject(person: PersonWish, rng: random.Random, plain: bool = False) -> str:
    """Article, adjectives and noun, e.g. "a kind slim Kenyan teacher"."""
    noun = rng.choice(words.NOUN[person.gender or "person"])
    if person.occupation:
        job = rng.choice(words.OCCUPATION[person.occupation])
        noun = f"{_gendered(person.gender, rng)}{job}"
    adjectives = []
    if person.trait:
        adjectives.append(rng.choice(words.TRAIT[person.trait]))
    if person.build:
        adjectives.append(rng.choice(words.BUILD[person.build]))
    if person.skin:
        adjectives.append(rng.choice(words.SKIN[person.skin]))
    if person.group:
        adjectives.append(person.group if rng.random() < 0.8 else person.group.lower())
    return with_article(" ".join([*adjectives, noun]))


def _gendered(gender: str | None, rng: random.Random) -> str:
    if gender is None:
        return ""
    return rng.choice({"man": ("male ", "man "), "woman": ("female ", "woman ")}[gender])


def _doing(person: PersonWish, rng: random.Random) -> str:
    return rng.choice(words.ACTIVITY[person.activity]) if person.activity else ""


def _details(person: PersonWish, rng: random.Random) -> list[str]:
    """Clothes, hat, hair, object and smile, each as a phrase that can follow the subject."""
    details = []
    if person.clothing:
        link = rng.choice(("wearing", "in", "dressed in", "wearing", "in"))
        details.append(f"{link} {with_article(_clothes(person, rng))}")
    if person.hat:
        link = rng.choice(("with", "wearing", "and", "in"))
        details.append(f"{link} {with_article(rng.choice(words.HAT[person.hat]))}")
    if hair := _hair(person, rng):
        details.append(f"with {hair}")
    if person.object:
        link = rng.choice(("holding", "with", "carrying", "holding", "and"))
        details.append(f"{link} {with_article(rng.choice(words.OBJECT[person.object]))}")
    if person.expression == "smiling":
        details.append(rng.choice(words.SMILE))
    return details


def _clothes(person: PersonWish, rng: random.Random) -> str:
    assert person.clothing is not None
    garment = rng.choice(words.CLOTHING[person.clothing])
    if person.colour is None:
        return garment
    colour = rng.choice(words.COLOUR[person.colour])
    plural = "*" if garment.startswith("*") else ""
    return f"{plural}{colour} {garment.removeprefix('*')}"


def _hair(person: PersonWish, rng: random.Random) -> str:
    colour = rng.choice(words.HAIR[person.hair_colour]) if person.hair_colour else ""
    if person.hair_style:
        form = rng.choice(words.HAIR_STYLE[person.hair_style])
        return " ".join(form.format(colour).split())
    return f"{colour} hair" if colour else ""


def _person_tags(person: PersonWish, subject: str, doing: str, rng: random.Random) -> list[str]:
    tags = [subject.removeprefix("a ").removeprefix("an ")]
    if person.clothing:
        tags.append(_clothes(person, rng).removeprefix("*"))
    tags += [doing] if doing else []
    if person.hat:
        tags.append(rng.choice(words.HAT[person.hat]))
    if hair := _hair(person, rng):
        tags.append(hair.removeprefix("a "))
    if person.object:
        tags.append(rng.choice(words.OBJECT[person.object]))
    if person.expression == "smiling":
        tags.append("smiling")
    return tags


def _pair(first: PersonWish, second: PersonWish, rng: random.Random) -> tuple[str, str, list[str]]:
    """Two people: subject, what both do, and what both have.

    The one named first stands on the left.
    """
    if first == second and not _told(first) - {"gender", "activity", "clothing", "colour"}:
        both = rng.choice(words.PLURAL[first.gender or "person"])
        details = [f"both in {_plural_clothes(first, rng)}"] if first.clothing else []
        return both, _doing(first, rng), details
    bare = not (_told(first) | _told(second)) - {"gender", "activity"}
    mixed = {first.gender, second.gender} == {"man", "woman"}
    if bare and mixed and first.activity == second.activity:
        wordings = [text for text in words.PLURAL["mixed"] if _order(text) == first.gender]
        return rng.choice(wordings), _doing(first, rng), []
    together = first.activity is not None and first.activity == second.activity
    texts = []
    for person in (first, second):
        parts = [_subject(person, rng), "" if together else _doing(person, rng)]
        texts.append(" ".join(part for part in (*parts, *_details(person, rng)) if part))
    link = rng.choice((" and ", " and ", " next to ", " beside "))
    return link.join(texts), _doing(first, rng) if together else "", []


def _order(text: str) -> str:
    """Whom the text names first."""
    return "man" if " man" in text.split("woman")[0] else "woman"


def _plural_clothes(person: PersonWish, rng: random.Random) -> str:
    assert person.clothing is not None
    garment = rng.choice([w for w in words.CLOTHING[person.clothing] if " and " not in w])
    garment = garment.removeprefix("*") if garment.startswith("*") else _plural(garment)
    colour = f"{rng.choice(words.COLOUR[person.colour])} " if person.colour else ""
    return colour + garment


def _plural(noun: str) -> str:
    return noun + ("es" if noun.endswith("ss") else "s")


def _told(person: PersonWish) -> set[str]:
    return {field.name for field in fields(person) if getattr(person, field.name)}


# Finishing.


def _then(part: str) -> str:
    return f" {part}" if part else ""


def with_article(noun: str) -> str:
    """The noun with "a" or "an"; a plural such as "*overalls" loses its star and gets no article."""
    if noun.startswith("*"):
        return noun.removeprefix("*")
    return f"{'an' if noun[:1].lower() in 'aeio' or noun[:2] == 'um' else 'a'} {noun}"


def _finish(text: str, rng: random.Random) -> str:
    text = " ".join(text.split())
    roll = rng.random()
    if roll < 0.3:
        text = text[:1].upper() + text[1:]
    elif roll < 0.35:
        text = text.lower()
    return text + "." if rng.random() < 0.15 else text
