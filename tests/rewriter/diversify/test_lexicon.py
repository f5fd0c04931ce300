"""How the tables about people are looked up."""

import pytest

from deployments.rewriter.diversify.lexicon import Lexicon, lexicon, plural, things_beside


@pytest.mark.parametrize(
    ("noun", "many"),
    [
        ("nurse", "nurses"),
        ("boss", "bosses"),
        ("coach", "coaches"),
        ("lady", "ladies"),
        ("boy", "boys"),
        ("policeman", "policemen"),
        ("human", "humans"),
        ("chief of staff", "chiefs of staff"),
        ("member of parliament", "members of parliament"),
    ],
)
def test_a_regular_plural_is_made_by_rule(noun: str, many: str):
    assert plural(noun) == many


def test_a_noun_is_known_in_both_numbers_with_all_its_headings():
    known = Lexicon({"occupations": frozenset(["model"]), "roles": frozenset(["model"])})
    assert known.nouns["model"].labels == {"occupations", "roles"}
    assert (known.nouns["models"].lemma, known.nouns["models"].plural) == ("model", True)


def test_a_plural_after_a_slash_takes_the_place_of_the_rule():
    known = Lexicon({"men": frozenset(["man/men"])})
    assert set(known.nouns) == {"man", "men"}


def test_a_phrase_has_the_labels_of_all_its_headings():
    known = Lexicon({"plain": frozenset(["cool"]), "looks": frozenset(["cool"])})
    assert known.labels["cool"] == {"plain", "looks"}
    assert "noun" in Lexicon({"women": frozenset(["nun"])}).labels["nun"]


def test_longer_phrases_are_known_by_their_beginnings():
    assert Lexicon({"made": frozenset(["made out of"])}).beginnings == {"made", "made out"}


def test_the_shipped_tables_know_what_they_are_for():
    assert lexicon().nouns["midwives"].lemma == "midwife"
    assert "occupations" in lexicon().nouns["chief of staff"].labels
    assert "chessboard" in things_beside()["knight"]
