"""Drift is read off pairs of people whom the judge is sure of."""

from evaluation.pictures.skin import figures


def person(tone: str, gender: str = "man") -> dict:
    return {"attributes": {"0.skin": tone, "0.gender": gender}, "sure": 0.99}


def test_the_drift_of_pairs():
    pairs = [
        (person("pale"), person("light"), True),
        (person("tan"), person("brown"), True),
        (person("dark"), person("dark"), False),
        (person("olive"), person("light", "woman"), False),
    ]
    found = figures("turn", pairs)
    assert found["tone/turn"].value == 0.25
    assert found["brown_or_dark/turn"].value == 0.25
    assert (found["lighter/turn"].value, found["darker/turn"].value) == (0.25, 0.5)
    assert (found["stated_changed/turn"].value, found["stated_changed/turn"].n) == (1.0, 2)
    assert found["gender_changed/turn"].value == 0.25


def test_without_a_pair_nothing_is_known():
    assert {estimate.n for estimate in figures("turn", []).values()} == {0}
