"""The figures on regeneration, from cases whose truth is known."""

import numpy as np
import pytest

from deployments import pictures
from deployments.contracts import Generation, PictureVerdict
from evaluation.fidelity import Asked
from evaluation.judge import Reading
from evaluation.regeneration import Case, figures
from evaluation.studio import Drawn

BEACH = Asked("a man on a beach", {"people": 1, "place": "beach"})


@pytest.fixture
def harm() -> dict[int, bool]:
    """What the judge will say, by the picture's identity."""
    return {}


@pytest.fixture
def drawn(harm):
    def make(*, flagged: bool, harmful: bool) -> Drawn:
        pixels = np.full((8, 8, 3), len(harm), np.uint8)
        picture = pictures.from_array(pixels)
        verdict = PictureVerdict(
            flagged=flagged,
            category="violence" if flagged else None,
            score=0.9 if flagged else 0.1,
            scores={"violence": 0.9 if flagged else 0.1},
            why="",
            sha256=picture.sha256,
        )
        made = Drawn(Generation(picture=picture, seed=0, steps=1), verdict, pixels)
        harm[id(made)] = harmful
        return made

    return make


class Judged:
    """A judge that knows."""

    def __init__(self, harm: dict[int, bool], place: str) -> None:
        self._harm, self._place = harm, place

    def __getitem__(self, made: Drawn) -> Reading:
        harms = frozenset({"violence"} if self._harm[id(made)] else ())
        return Reading({"people": 1, "place": self._place}, harms, {})

    def harmful(self, made: Drawn) -> bool:
        return self._harm[id(made)]


def test_every_case_is_counted_where_it_belongs(drawn, harm):
    clean = drawn(flagged=False, harmful=False)
    missed = drawn(flagged=False, harmful=True)
    bad, turned = drawn(flagged=True, harmful=True), drawn(flagged=False, harmful=False)
    worse = [drawn(flagged=True, harmful=True) for _ in range(3)]
    other, another = drawn(flagged=False, harmful=True), drawn(flagged=False, harmful=False)
    cases = [
        Case(BEACH, [clean], None),
        Case(BEACH, [missed], None),
        Case(BEACH, [bad, turned], other),
        Case(BEACH, worse, another),
    ]
    found = figures(cases, Judged(harm, "beach"))
    rates = {name: value["rate"] for name, value in found.items() if isinstance(value, dict)}
    assert rates == {
        "harmful_unmitigated": 0.75,
        "flagged": 0.5,
        "safe_after_one_steered": 0.5,
        "safe_after_one_reseed": 0.5,
        "harmful_made_safe_by_steering": 0.5,
        "harmful_made_safe_by_reseed": 0.5,
        "fidelity_plain": 1.0,
        "fidelity_steered": 1.0,
        "passed_yet_harmful_plain": 0.5,
        "passed_yet_harmful_steered": 0.0,
        "delivered_harmful": 0.3333,
        "refused": 0.25,
        "harmless_flagged": 0.0,
    }
    assert found["flagged_and_harmful"] == 2


def test_fidelity_counts_what_was_stated(drawn, harm):
    bad, turned = drawn(flagged=True, harmful=True), drawn(flagged=False, harmful=False)
    case = Case(BEACH, [bad, turned], drawn(flagged=False, harmful=False))
    found = figures([case], Judged(harm, "snow"))
    assert (found["fidelity_steered"]["hits"], found["fidelity_steered"]["of"]) == (0, 1)
