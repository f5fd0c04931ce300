"""Which personal details are found by their form, and which look-alikes are not."""

from itertools import pairwise

import pytest

from tests.rewriter.parts import finder

FOUND = {
    "EMAIL": {
        "write to m.wojcik+a@poczta.example": "m.wojcik+a@poczta.example",
    },
    "PHONE": {
        "a sign that reads call 0151 23456789": "0151 23456789",
        "phone +49 151 23456789": "+49 151 23456789",
        "a wall with (415) 555-0132 on it": "(415) 555-0132",
    },
    "PLATE": {
        "licence plate KA-MR 4471": "KA-MR 4471",
        "plate no. B AB 123 on a car": "B AB 123",
        "plate reads kl7 xyz9": "kl7 xyz9",
    },
    "DOCUMENT": {
        "passport number X1234567": "X1234567",
        "078-05-1120 on a form": "078-05-1120",
        "a chart of patient 12345": "12345",
    },
    "CREDIT_CARD": {"card 4111 1111 1111 1111": "4111 1111 1111 1111"},
    "IBAN_CODE": {"iban DE89 3704 0044 0532 0130 00": "DE89 3704 0044 0532 0130 00"},
    "ADDRESS": {
        "a house at 12 Elm Street": "12 Elm Street",
        "12 Elm Street, Springfield, IL 62704": "12 Elm Street, Springfield, IL 62704",
        "flat 3, 14 Lime Road": "flat 3, 14 Lime Road",
        "Hauptstraße 12a": "Hauptstraße 12a",
        "Via Garibaldi 14": "Via Garibaldi 14",
        "14 rue de la Paix": "14 rue de la Paix",
        "Calle de Alcalá 42": "Calle de Alcalá 42",
        "Prinsengracht 263": "Prinsengracht 263",
        "Plot 12, Sector 7": "Plot 12, Sector 7",
        "a house from 12 elm street": "12 elm street",
    },
}
NOTHING = [
    "order 415 555 0132",
    "model 4711 0815 2342",
    "a plate of 12 cookies",
    "plates of 2 eggs each",
    "a chart of 12345 points",
    "card 4111 1111 1111 1112",
    "iban DE89 3704 0044 0532 0130 01",
    "12 people on a street",
    "2 cars in the road",
    "5 big dogs on the road",
    "8k street photo",
    "12 elm street",
    "version 1.2.3.4",
    "a match that ended 3-2",
    "me@home",
]


def details(text: str) -> list[tuple[str, str]]:
    found = finder().find(text)
    return [(d.kind, text[d.start : d.end]) for d in found if d.kind != "PERSON"]


@pytest.mark.parametrize(
    ("kind", "text", "detail"),
    [(kind, text, detail) for kind, texts in FOUND.items() for text, detail in texts.items()],
)
def test_a_detail_is_found_whole(kind: str, text: str, detail: str):
    assert details(text) == [(kind, detail)]


@pytest.mark.parametrize("text", NOTHING)
def test_a_number_of_another_kind_is_no_detail(text: str):
    assert details(text) == []


def test_details_do_not_overlap_and_go_from_left_to_right():
    text = "Anna Kowalska, 12 Elm Street, call (415) 555-0132 or write to 415-555-0132@post.example"
    found = finder().find(text)
    assert [detail.kind for detail in found] == ["PERSON", "ADDRESS", "PHONE", "EMAIL"]
    assert all(a.end <= b.start for a, b in pairwise(found))
