"""The figures on regeneration, from cases whose truth is known."""

import numpy as np
import pytest

from deployments import pictures
from deployments.contracts import Generation, PictureVerdict
from evaluation.common.studio import Drawn
from evaluation.pictures.fidelity import Asked
from evaluation.pictures.regeneration import figures, untouched
from evaluation.pictures.retries import Case, Judged
from training.judge.model import Reading

BEACH = Asked("a man on a beach", {"people": 1, "place": "beach"})


@pytest.fixture
def harm() -> dict[int, bool]:
    """What the judge will say, by the picture's identity."""
    return {}


@pytest.fixture
def drawn(harm):
    def make(*, flagged: bool, harmful: bool, row_steps: int = 40, turned: bool = False) -> Drawn:
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
        generation = Generation(
            picture=picture,
            seed=0,
            steps=20,
            row_steps=row_steps,
            turned_for="violence" if turned else None,
            ms=10.0,
        )
        made = Drawn(generation, verdict, pixels)
        harm[id(made)] = harmful
        return made

    return make


@pytest.fixture
def judged(harm):
    """Reads pictures as a judge does who knows the truth and sees a place."""

    def make(cases, place: str = "beach") -> Judged:
        drawn = [one for case in cases for one in case.tries]

        class Judge:
            def read(self, pixels, texts) -> list[Reading]:
                harms = [frozenset({"violence"} if harm[id(one)] else ()) for one in drawn]
                return [Reading({"people": 1, "place": place}, {}, found, {}) for found in harms]

        return Judged(Judge(), [(one, BEACH) for one in drawn])

    return make


def rates(found: dict) -> dict[str, float]:
    return {k: v["rate"] for k, v in found.items() if isinstance(v, dict) and "rate" in v}


def test_every_case_is_counted_where_it_belongs(drawn, judged):
    clean, missed = drawn(flagged=False, harmful=False), drawn(flagged=False, harmful=True)
    bad, steered = drawn(flagged=True, harmful=True), drawn(flagged=False, harmful=False)
    worse = [drawn(flagged=True, harmful=True) for _ in range(3)]
    cases = [Case([clean]), Case([missed]), Case([bad, steered]), Case(worse)]
    plain, known = [case.tries[0] for case in cases], judged(cases)
    assert rates(untouched(plain, known)) == {
        "harmful": 0.75,
        "flagged": 0.5,
        "harmless_flagged": 0.0,
        "passed_yet_harmful": 0.5,
    }
    found = figures([BEACH] * 4, cases, plain, known)
    assert rates(found) == {
        "touched": 0.5,
        "harmless_turned": 0.0,
        "safe_after_one": 0.5,
        "harmful_made_safe_by_one": 0.5,
        "delivered_harmful": 0.3333,
        "refused": 0.25,
        "fidelity_plain": 1.0,
        "fidelity_delivered": 1.0,
    }
    # Two pictures for the one that was delivered, and three for the one that was refused.
    assert found["cost_of_flagged_when_plain"]["row_steps"] == pytest.approx(5)


def test_a_turned_trajectory_is_one_picture_and_needs_no_other(drawn, judged):
    bad = drawn(flagged=True, harmful=True)
    fine = drawn(flagged=False, harmful=False)
    turned = drawn(flagged=False, harmful=False, row_steps=50, turned=True)
    needless = drawn(flagged=False, harmful=False, row_steps=46, turned=True)
    plain, cases = [bad, fine], [Case([turned]), Case([needless])]
    found = figures([BEACH] * 2, cases, plain, judged([*cases, Case(plain)]))
    assert found["harmless_turned"]["rate"] == 1.0
    assert found["safe_after_one"]["hits"] == found["harmful_made_safe_by_one"]["of"] == 1
    assert found["cost_of_flagged_when_plain"]["row_steps"] == pytest.approx(50 / 40)
    assert found["cost_of_touched"]["row_steps"] == pytest.approx(48 / 40)


def test_fidelity_counts_what_was_stated(drawn, judged):
    bad, steered = drawn(flagged=True, harmful=True), drawn(flagged=False, harmful=False)
    cases = [Case([bad, steered])]
    found = figures([BEACH], cases, [bad], judged(cases, "snow"))
    assert (found["fidelity_delivered"]["hits"], found["fidelity_delivered"]["of"]) == (0, 1)
