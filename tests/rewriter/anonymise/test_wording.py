"""What stands where something personal stood; without a tagger: the test says where."""

from itertools import pairwise

import pytest

from deployments.rewriter.anonymise.personal_detail import PersonalDetail
from deployments.rewriter.anonymise.wording import applied, edits

DETAILS = {
    "a note with <EMAIL a@b.example>": "a note with an e-mail address",
    "my phone number is <PHONE 0151 234567>": "my phone number",
    "a card with card number <CREDIT_CARD 4111>": "a card with a card number",
    "the passport number <DOCUMENT X123> on a desk": "the passport number on a desk",
    "<IBAN_CODE DE89> on a wall": "an account number on a wall",
    "car, <PLATE KA 12>": "car, a licence plate",
    "she lives at <ADDRESS 12 Elm Street>": "she lives in a house",
    "she lives at <ADDRESS flat 3, 12 Elm Street>": "she lives in a flat",
    "a woman from <ADDRESS 12 Elm Street> at work": "a woman at work",
    "the address is <ADDRESS 12 Elm Street>": "the address",
    "<ADDRESS 12 Elm Street> at night": "A house at night",
}
PEOPLE = {
    "<PERSON Anna> at home": "A person at home",
    "photo of <PERSON Anna>": "photo of a person",
    "<PERSON Anna> and <PERSON Piotr> at home": "Two people at home",
    "photo of <PERSON Anna>, <PERSON Piotr> and <PERSON Eva>": "photo of three people",
    "<PERSON Anna>, <PERSON Piotr>, watercolor": "A person, another person, watercolor",
    "<PERSON Anna> asleep, <PERSON Anna> awake": "A person asleep, the person awake",
    "<PERSON Anna> and <PERSON Piotr> with <PERSON Eva> and <PERSON Tom>": (
        "Two people with two other people"
    ),
    "my friend <PERSON Anna> in bed": "my friend in bed",
    "my friend, <PERSON Anna>, in bed": "my friend in bed",
    "a man called <PERSON Piotr> in bed": "a man in bed",
    "nurse <PERSON Anna> at work": "a nurse at work",
    "naked <PERSON Anna> at home": "a naked person at home",
    "the sleeping <PERSON Anna>": "the sleeping person",
    "the <PERSON Kowalski> family at home": "the family at home",
    "Mr. and Mrs. <PERSON Smith> in bed": "Two people in bed",
    "Dr. <PERSON Smith> in bed": "A person in bed",
    "<PERSON James>' kitchen": "A person's kitchen",
    "PHOTO OF <PERSON ANNA> IN BED": "PHOTO OF A PERSON IN BED",
}


def marked(text: str) -> tuple[str, list[PersonalDetail]]:
    """The text without its marks, and the details that they mark."""
    plain, details = "", []
    for piece in text.replace(">", "<").split("<"):
        kind, _, value = piece.partition(" ")
        if kind.isupper() and kind in text.replace("<", " ").split() and f"<{piece}>" in text:
            details.append(PersonalDetail(len(plain), len(plain) + len(value), kind))
            plain += value
        else:
            plain += piece
    return plain, details


@pytest.mark.parametrize(("text", "expected"), [*DETAILS.items(), *PEOPLE.items()])
def test_what_is_personal_is_said_in_general_words(text: str, expected: str):
    plain, details = marked(text)
    people = [detail for detail in details if detail.kind == "PERSON"]
    others = [detail for detail in details if detail.kind != "PERSON"]
    found = edits(plain, people, others)
    assert applied(plain, found) == expected
    assert {edit.kind for edit in found} == {detail.kind for detail in details}


def test_more_people_than_can_be_counted_are_many():
    names = [f"<PERSON N{n}>" for n in range(12)]
    plain, people = marked(f"photo of {', '.join(names[:-1])} and {names[-1]}")
    assert applied(plain, edits(plain, people, [])) == "photo of many people"


def test_edits_do_not_overlap_where_details_do():
    text = "my address is 12 Elm Street"
    details = [PersonalDetail(14, 27, "ADDRESS"), PersonalDetail(14, 16, "DOCUMENT")]
    found = edits(text, [], details)
    assert all(a.end <= b.start for a, b in pairwise(found))
    assert "12" not in applied(text, found)
