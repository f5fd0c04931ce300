"""Anonymising with the shipped tagger: what users reported, good English, and any text at all."""

from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evaluation.prompts.anonymise import cases, left_of
from tests.rewriter.parts import anonymiser

REPORTED = {
    "photo of ANNA KOWALSKA in her bedroom": "photo of a person in her bedroom",
    "photo of anna kowalska in her bedroom": "photo of a person in her bedroom",
    "Yiannis Papadopoulos sleeping at home": "A person sleeping at home",
    "Abdullah bin Khalid al-Farsi at the hospital": "A person at the hospital",
    "Suharto Wibowo in the shower": "A person in the shower",
    "Harpreet Kaur leaving her flat at 14 Lime Road": "A person leaving her flat",
    "Nguyen Thi Minh Khai's living room": "A person's living room",
    "Image of John Doe from 12 Elm Street in shower": "Image of a person in shower",
}
UNCHANGED = [
    "order number 4711 0815 2342 on a parcel",
    "a poster set in Times New Roman",
    "May Day parade in the rain",
    "a bill from the electricity company, rate table",
    "section 96c of the building regulations, drawn as a poster",
    "Mona Lisa in the shower",
    "the Eiffel Tower at sunset",
    "Sherlock Holmes in his bedroom",
    "a garden in the style of Monet",
    "a castle by Greg Rutkowski and Jadwiga Pietrzyk",
    "artwork from Jadwiga Pietrzyk, a castle",
    "Vincent van Gogh in his bedroom",
    "a statue in front of 10 Downing Street",
    "",
]
ENGLISH = {
    "IMAGE OF JOHN DOE IN THE SHOWER": "IMAGE OF A PERSON IN THE SHOWER",
    "Anna Kowalska and Piotr Nowak in their bedroom": "Two people in their bedroom",
    "my neighbour Anna Kowalska in the bath": "my neighbour in the bath",
    "my neighbour, Anna Kowalska, in the bath": "my neighbour in the bath",
    "our mail carrier Anna Kowalska at the gate": "our mail carrier at the gate",
    "a woman named Anna Kowalska in her kitchen": "a woman in her kitchen",
    "photo of naked Anna Kowalska at home": "photo of a naked person at home",
    "Dr. Anna Kowalska asleep in her bed": "A person asleep in her bed",
    "Anna Kowalska kissing Piotr Nowak at home": "A person kissing another person at home",
    "Karen Jones' bedroom": "A person's bedroom",
    "Mr. and Mrs. Smith in their bedroom": "Two people in their bedroom",
    "A photo of Anna Kowalska. Anna is in bed": "A photo of a person. The person is in bed",
    "tom and lisa in bed": "two people in bed",
    "the red house at 12 Elm Street, night": "the red house, night",
    "a man in front of Hauptstrasse 12": "a man in front of a house",
    "a car with licence plate KA-MR 4471": "a car with a licence plate",
    "call (415) 555-0132 on a wall": "call a phone number on a wall",
    "a card with m.wojcik@poczta.example": "a card with an e-mail address",
    "credit card 4111 1111 1111 1111": "a credit card",
}


@pytest.mark.slow
@pytest.mark.parametrize(("prompt", "expected"), [*REPORTED.items(), *ENGLISH.items()])
def test_personal_details_are_said_in_good_english(prompt: str, expected: str):
    result, changes = anonymiser().anonymise(prompt)
    assert result == expected
    assert all(change.kind == "anonymise" and change.why for change in changes)


@pytest.mark.slow
@pytest.mark.parametrize("prompt", [*REPORTED.values(), *ENGLISH.values()])
def test_what_was_anonymised_stays_as_it_is(prompt: str):
    assert anonymiser().anonymise(prompt) == (prompt, ())


@pytest.mark.parametrize("prompt", UNCHANGED)
def test_what_is_nobodys_private_affair_stays(prompt: str):
    assert anonymiser().anonymise(prompt) == (prompt, ())


def test_text_outside_the_changes_is_kept():
    prompt = "  oil painting,\tAnna Kowalska (in bed) & Piotr Nowak at 14 Lime Road — 8K\n"
    result, changes = anonymiser().anonymise(prompt)
    at, rebuilt = 0, ""
    for change in changes:
        start = prompt.index(change.before, at)
        rebuilt += prompt[at:start] + change.after
        at = start + len(change.before)
    assert len(changes) >= 3
    assert rebuilt + prompt[at:] == result


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(max_size=120))
def test_any_text_is_survived(text: str):
    result, changes = anonymiser().anonymise(text)
    assert bool(changes) == (result != text)


# All hand-written cases: MiniLM reads each two or three times.


@cache
def results() -> list[str]:
    return [anonymiser().anonymise(case.prompt)[0] for case in cases()]


@pytest.mark.slow
def test_a_second_time_changes_nothing():
    for once in results():
        assert anonymiser().anonymise(once) == (once, ())


@pytest.mark.slow
def test_recall_and_false_alarms_on_the_hand_written_cases():
    missed = alarms = private = stays = 0
    for case, result in zip(cases(), results(), strict=True):
        if case.kind == "private":
            private += len(case.gone)
            missed += sum(left_of(gone, case.prompt, result) for gone in case.gone)
        elif case.kind == "stays":
            stays += 1
            alarms += result != case.prompt
    assert missed <= 0.03 * private
    assert alarms <= 0.02 * stays
