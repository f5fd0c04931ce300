"""How the lines of the tables of open activities are read."""

import pytest

from deployments.rewriter.revise.activities import KINDS, TABLES, activities


def kind_of(phrase: str) -> str:
    node = activities().phrases
    for word in phrase.split():
        if word not in node.further:
            return ""
        node = node.further[word]
    return node.kind


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phrase", "kind"),
    [
        ("goofing around", "fun"),
        ("goofs off", "fun"),
        ("have fun", "fun"),
        ("had great fun", "fun"),
        ("settled score with ONE", "conflict"),
        ("up to no good", "mischief"),
        ("in bed", "places"),
        ("waiting for ONE'S lover", "anticipation"),
        ("ready for action", "action"),
        ("portrait", "filler"),
        ("roommates", "person"),
    ],
)
def test_an_alternative_an_option_and_a_form_are_found(phrase: str, kind: str):
    assert kind_of(phrase) == kind


@pytest.mark.parametrize(
    "phrase",
    ["have a fun", "haved fun", "have (some) fun", "have $good $time", "score", "chess", "party"],
)
def test_nothing_else_is(phrase: str):
    assert kind_of(phrase) in ("", "filler")


def test_each_kind_has_its_file_and_each_file_its_kind():
    assert {file.stem for file in (TABLES / "activities").glob("*.txt")} == set(KINDS)


def test_the_words_that_a_slot_may_hold_are_known():
    fits = activities().fits
    assert fits["him"] == {"ONE"}
    assert fits["each other"] == {"ONE", "ONESELF"}
    assert "ONE'S" in fits["his"]
