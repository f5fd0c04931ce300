"""Describes people whom nobody described, so that pictures do not all show the same kind of people.

The policy states the shares of groups, genders and ages. Draws are systematic samples, over the
pictures of a request and over consecutive seeds, so that the pictures of one prompt differ.
"""

import itertools
import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from deployments.contracts import Change
from deployments.policy import Changes, Diversity
from deployments.rewriter.diversify.cast import Person, cast

MAX_PEOPLE = 6
"""Nouns described in one prompt; a text encoder does not read more of them."""
STEPS = (math.sqrt(2) % 1, (math.sqrt(5) - 1) / 2, math.sqrt(3) % 1)
"""How far the draws of groups, genders and ages move from one seed to the next. The numbers are
badly approximable, so that consecutive seeds spread, and unrelated, so that all combinations
occur."""
JOINS_TO = ",.;:!?)]}|\"”'’\n-/"
"""Before one of these no comma is needed."""


@dataclass(frozen=True)
class Traits:
    """What one drawn person is to look like. `age` may be empty."""

    group: str
    gender: str
    age: str

    def words(self, gender: bool, age: bool) -> str:
        parts = (self.age if age else "", self.group, self.gender if gender else "")
        return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class _Edit:
    """`before`, found at `start`, becomes `after`."""

    start: int
    before: str
    after: str
    why: str


class Diversifier:
    """Holds the policy's shares and reasons; no state between prompts."""

    def __init__(self, diversity: Diversity, reasons: Changes) -> None:
        self._diversity, self._reasons = diversity, reasons

    def diversify(self, prompt: str, n: int, seed: int) -> list[tuple[str, tuple[Change, ...]]]:
        """For each of `n` pictures the prompt and its changes; same arguments, same result.

        Words are only added; an article before an addition may turn from "a" to "an" or back.
        No changes where the prompt says already who, names someone, has children, or no people.

        Raises:
            ValueError: `n` is less than 1.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n!r}")
        told = cast(prompt)
        people = [person for person in told.people if not person.described][:MAX_PEOPLE]
        if told.left_alone or not people:
            return [(prompt, ()) for _ in range(n)]
        edits: list[list[_Edit]] = [[] for _ in range(n)]
        groups: list[set[str]] = [set() for _ in range(n)]
        for slot, person in enumerate(people):
            key = f"{prompt}/{slot}"
            why = self._why(prompt, person)
            if person.negative:
                tones = self._tones(key, n, seed)
                for picture, tone in zip(edits, tones, strict=True):
                    picture.append(_negative(prompt, person, tone, why))
                continue
            drawn = _apart(self._draw(key, n, max(1, person.number), seed), groups)
            for picture, seen, traits in zip(edits, groups, drawn, strict=True):
                seen.update(one.group for one in traits)
                picture.append(self._describe(prompt, person, traits, why))
        return [_apply(prompt, picture) for picture in edits]

    def _draw(self, key: str, n: int, number: int, seed: int) -> list[tuple[Traits, ...]]:
        """`number` people for each of `n` pictures."""
        total = n * number
        rng = random.Random(key)
        columns = []
        shares = (self._diversity.groups, self._diversity.genders, self._diversity.ages or {"": 1})
        for weights, step in zip(shares, STEPS, strict=True):
            names = rng.sample(sorted(weights), len(weights))
            columns.append(_systematic(names, weights, total, (rng.random() + seed * step) % 1))
        mix = random.Random(f"{key}/{seed}")
        groups = columns[0]
        genders = _paired(groups, columns[1], shares[1], mix)
        both = [f"{group}/{gender}" for group, gender in zip(groups, genders, strict=True)]
        ages = _paired(both, columns[2], shares[2], mix)
        people = [Traits(*traits) for traits in zip(groups, genders, ages, strict=True)]
        # The groups come sorted: people of one picture, n apart, differ unless a share is large.
        pictures = [tuple(people[first::n]) for first in range(n)]
        mix.shuffle(pictures)
        return pictures

    def _tones(self, key: str, n: int, seed: int) -> list[str]:
        rng = random.Random(f"{key}/tone")
        weights = self._diversity.skin_tones
        names = rng.sample(sorted(weights), len(weights))
        tones = _systematic(names, weights, n, (rng.random() + seed * STEPS[0]) % 1)
        random.Random(f"{key}/tone/{seed}").shuffle(tones)
        return tones

    def _why(self, prompt: str, person: Person) -> str:
        reason = self._reasons.negative if person.negative else self._reasons.diversify
        return reason.format(noun=prompt[person.start : person.end].lower())

    def _describe(self, prompt: str, person: Person, traits: Sequence[Traits], why: str) -> _Edit:
        ages = bool(self._diversity.ages) and not person.aged
        if person.number == 0:
            return _behind(prompt, person, _mixed(person, ages), "", why)
        if person.number > 1:
            if person.gender or person.pair:
                said = [f"one {one.words(False, ages)}" for one in traits]
            else:
                said = [one.words(True, ages) for one in traits]
            return _behind(prompt, person, f", {_listed(said)}", ",", why)
        if person.generic:
            return _before(prompt, person, traits[0].words(False, ages), why)
        # In front of the noun the words could change its sense: "a white witch", "a black widow".
        told = replace(traits[0], gender=person.gender or traits[0].gender)
        return _behind(prompt, person, f", {told.words(True, ages)}", ",", why)


def tone_words(tone: str) -> str:
    """What stands in the prompt for a skin tone of the policy: "olive" or "olive-skinned"."""
    return tone if "skin" in tone else f"{tone} skin tone"


def _negative(prompt: str, person: Person, tone: str, why: str) -> _Edit:
    if person.number != 1:
        of = " of people" if person.collective else ""
        return _behind(prompt, person, f"{of} of different skin tones", "", why)
    return _behind(prompt, person, f", {tone_words(tone)}", ",", why)


def _mixed(person: Person, ages: bool) -> str:
    said = ["ages"] * ages + ["skin tones"] + ["genders"] * (person.gender is None)
    return f"{' of people' if person.collective else ''} of different {_listed(said)}"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def _behind(prompt: str, person: Person, text: str, close: str, why: str) -> _Edit:
    """`text` directly behind the noun; `close` parts it from what follows."""
    rest = prompt[person.end :].lstrip(" ")
    closing = close if rest and rest[0] not in JOINS_TO else ""
    noun = prompt[person.start : person.end]
    return _Edit(person.start, noun, noun + text + closing, why)


def _before(prompt: str, person: Person, text: str, why: str) -> _Edit:
    """`text` as an adjective, with the article that it needs."""
    at, end = person.adjective_at, person.end
    head, _, _ = prompt[:at].rstrip().rpartition(" ")
    start = len(head) + 1 if head else 0
    article = prompt[start:at].strip()
    if article.lower() in ("a", "an") and prompt[start:at].endswith(" "):
        right = "an" if _begins_with_vowel(text) else "a"
        right = right.capitalize() if article[0].isupper() else right
        return _Edit(start, prompt[start:end], f"{right} {text} {prompt[at:end]}", why)
    return _Edit(at, prompt[at:end], f"{text} {prompt[at:end]}", why)


def _begins_with_vowel(text: str) -> bool:
    word = text.lower()
    return word[0] in "aeiou" and not word.startswith(("eu", "uni", "one", "u-"))


def _apply(prompt: str, edits: Sequence[_Edit]) -> tuple[str, tuple[Change, ...]]:
    parts, at = [], 0
    edits = sorted(edits, key=lambda edit: edit.start)
    for edit in edits:
        parts += [prompt[at : edit.start], edit.after]
        at = edit.start + len(edit.before)
    parts.append(prompt[at:])
    changes = tuple(
        Change(kind="diversify", before=edit.before, after=edit.after, why=edit.why)
        for edit in edits
    )
    return "".join(parts), changes


def _systematic(
    names: Sequence[str], weights: Mapping[str, float], n: int, offset: float
) -> list[str]:
    """`n` draws at even distances along the shares laid end to end; `offset` is in [0, 1)."""
    ends = list(itertools.accumulate(weights[name] for name in names))
    drawn, at = [], 0
    for index in range(n):
        point = (index + offset) / n * ends[-1]
        while at < len(names) - 1 and point >= ends[at]:
            at += 1
        drawn.append(names[at])
    return drawn


def _paired(
    first: Sequence[str],
    second: Sequence[str],
    weights: Mapping[str, float],
    rng: random.Random,
) -> list[str]:
    """`second`, rearranged: each value of `first` meets those of `second` by their shares."""
    left = {name: second.count(name) for name in sorted(set(second))}
    result = [""] * len(first)
    used: Counter[tuple[str, str]] = Counter()
    for at in rng.sample(range(len(first)), len(first)):
        scores = {
            name: ((used[first[at], name] + 1) / weights[name], -count, rng.random())
            for name, count in left.items()
            if count
        }
        name = min(scores, key=scores.__getitem__)
        left[name] -= 1
        used[first[at], name] += 1
        result[at] = name
    return result


def _apart(
    drawn: Sequence[tuple[Traits, ...]], seen: Sequence[set[str]]
) -> list[tuple[Traits, ...]]:
    """`drawn`, rotated so that as few pictures as possible show a group twice."""
    best, fewest = 0, math.inf
    for turn in range(len(drawn)):
        met = sum(
            one.group in groups
            for groups, people in zip(seen, [*drawn[turn:], *drawn[:turn]], strict=True)
            for one in people
        )
        if met < fewest:
            best, fewest = turn, met
    return [*drawn[best:], *drawn[:best]]
