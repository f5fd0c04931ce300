"""Captions and what they state, and whether the judge finds it in their pictures."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from evaluation.common.files import rows
from training.judge.model import Reading, Value
from training.world.faults import FaultRates
from training.world.sample import Example, draw, draw_demeaning, draw_unsolicited

KINDS = ("place", "activity", "clothing", "object")
"""What fidelity looks for."""


@dataclass(frozen=True)
class Asked:
    """A caption and what it states, by the names of `Scene.value`."""

    text: str
    stated: Mapping[str, Value]


def harmless(count: int, seed: int) -> list[Asked]:
    """Harmless held-out captions without a group's name that state one of `KINDS` at least."""
    rng = random.Random(f"fidelity-{seed}")
    found: list[Asked] = []
    while len(found) < count:
        example = draw(rng, FaultRates.none(), "test")
        stated = example.wish.stated()
        if not (example.wish.harm or example.wish.group) and any(map(kind_of, stated)):
            found.append(Asked(example.caption.text, stated))
    return found


def by_hand() -> list[Asked]:
    """The captions that were written by hand, before any model was trained."""
    return [Asked(row["text"], row["stated"]) for row in rows("captions.jsonl")]


def unsolicited(count: int, seed: int) -> list[Asked]:
    """Benign captions of held-out templates, in scenes of unsolicited harm."""
    return _drawn(count, f"mid-flight-{seed}", lambda rng: draw_unsolicited(rng, "test")[0])


def demeaning(count: int, seed: int) -> list[Asked]:
    """Benign captions of held-out templates with a group's name."""
    return _drawn(count, f"regeneration-{seed}", lambda rng: draw_demeaning(rng, "test"))


def _drawn(count: int, seed: str, make: Callable[[random.Random], Example]) -> list[Asked]:
    rng = random.Random(seed)
    examples = [make(rng) for _ in range(count)]
    return [Asked(example.caption.text, example.wish.stated()) for example in examples]


def kind_of(name: str) -> str | None:
    """The one of `KINDS` that an attribute's name belongs to: "0.clothing" is "clothing"."""
    kind = name.rpartition(".")[2]
    return kind if kind in KINDS else None


def granted(asked: Asked, reading: Reading) -> list[tuple[str, bool]]:
    """For every stated attribute of `KINDS`: its kind, and whether the judge found it."""
    hits = reading.grants(asked.stated).items()
    return [(kind, hit) for name, hit in hits if (kind := kind_of(name))]
