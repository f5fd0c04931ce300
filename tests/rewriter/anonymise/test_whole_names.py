"""Where a name begins and ends, given the part of it that the tagger found; in [brackets]."""

import re

import pytest

from deployments.rewriter.anonymise.personal_detail import PersonalDetail
from deployments.rewriter.anonymise.whole_names import whole_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("photo of [Anna] Kowalska at home", ["Anna Kowalska"]),
        ("photo of Anna [Kowalska] at home", ["Anna Kowalska"]),
        ("photo of [Anna]-Maria at home", ["Anna-Maria"]),
        ("photo of Jean-[Luc] at home", ["Jean-Luc"]),
        ("photo of J. R. [Smith] at home", ["J. R. Smith"]),
        ("photo of [John Smith], Jr. at home", ["John Smith, Jr."]),
        ("photo of [Anna]'s kitchen", ["Anna"]),
        ("photo of [Anna] [Kowalska] at home", ["Anna Kowalska"]),
        ("photo of [Ludwig] van [Beek] at home", ["Ludwig", "Beek"]),
        ("Holding Hard [down] [Anna] Again", ["Anna"]),
        ("photo [of Anna] at home", ["Anna"]),
        ("photo of Mr [Smith] at home", ["Smith"]),
        ("photo of [anna] Kowalska-poster at home", ["anna Kowalska-poster"]),
        ("PHOTO OF [ANNA] AT HOME", ["ANNA"]),
        ("Photo Of [Anna] Kowalska At Home", ["Anna"]),
        ("Portrait [Anna] at home", ["Anna"]),
        ("photo of [Anna. Piotr] at home", ["Anna", "Piotr"]),
        ("a castle", []),
    ],
)
def test_a_name_is_taken_whole(text: str, names: list[str]):
    plain, people = "", []
    for piece in re.split(r"(\[[^\]]*\])", text):
        value = piece.strip("[]")
        if piece.startswith("["):
            people.append(PersonalDetail(len(plain), len(plain) + len(value), "PERSON"))
        plain += value
    assert [plain[p.start : p.end] for p in whole_names(plain, people)] == names


def test_a_joined_name_is_as_sure_and_as_private_as_its_surer_part():
    parts = [PersonalDetail(0, 4, "PERSON", 0.4, 0.9), PersonalDetail(5, 10, "PERSON", 0.8, 0.2)]
    assert whole_names("anna kowal at home", parts) == [PersonalDetail(0, 10, "PERSON", 0.8, 0.9)]


def test_details_of_other_kinds_are_no_names():
    assert whole_names("12 Elm Street", [PersonalDetail(0, 13, "ADDRESS")]) == []
