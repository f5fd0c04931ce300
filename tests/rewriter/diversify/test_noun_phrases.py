"""Which nouns of a prompt are people in the picture, and which only sound like it."""

import pytest

from deployments.rewriter.diversify.noun_phrases import NounPhrase, noun_phrases
from deployments.rewriter.diversify.parsed_prompt import ParsedPrompt

SHOWN = {
    "a nurse": ["nurse"],
    "two tall, old nurses in a ward": ["nurses"],
    "a photo of a soldier": ["soldier"],
    "surrounded by soldiers": ["soldiers"],
    "nurses look up": ["nurses"],
    "a king at dinner": ["king"],
    "a model on a runway": ["model"],
    "a miller and a potter": ["miller", "potter"],
    "a team of nurses": ["team", "nurses"],
    "a doctor with her patient": ["doctor", "patient"],
    "a chef cooking": ["chef"],
}
NOT_SHOWN = {
    "part of a compound": ["a nurse shark", "a chef knife", "a model train", "a pilot light"],
    "a look, not a person": ["nurse look"],
    "of an owner": ["a soldier's boots", "the house of a doctor"],
    "told of": ["a statue of a soldier", "no nurse", "without a doctor", "any doctor"],
    "the maker": ["painting by a soldier", "castle, artist"],
    "lettering": ["a sign that says nurse", 'a sign "nurse"'],
    "a verb": ["a machine to judge apples", "learn to cook"],
    "one of two": ["a doctor/nurse"],
    "beside a word for a thing": ["a king on a chessboard", "a knight, chess"],
    "a name": ["Anna Miller"],
    "shouted": ["portrait of NURSE"],
}


def phrases(prompt: str) -> list[NounPhrase]:
    return list(noun_phrases(ParsedPrompt(prompt)))


def nouns(prompt: str) -> list[str]:
    parsed = ParsedPrompt(prompt)
    return [
        " ".join(word.text for word in parsed.words[found.span.first : found.span.stop])
        for found in noun_phrases(parsed)
    ]


@pytest.mark.parametrize(("prompt", "expected"), SHOWN.items())
def test_people_in_the_picture_are_found(prompt: str, expected: list[str]):
    assert nouns(prompt) == expected


@pytest.mark.parametrize(
    "prompt",
    [pytest.param(text, id=f"{why}: {text}") for why, texts in NOT_SHOWN.items() for text in texts],
)
def test_a_word_for_a_person_who_is_not_shown_is_nobody(prompt: str):
    assert nouns(prompt) == []


@pytest.mark.parametrize(
    ("prompt", "told", "modifiers"),
    [
        ("two tall, old nurses", "two", ["tall", "old"]),
        ("tall, old nurse", "", ["old"]),
        ("the three judges", "the", []),
        ("a very old judge", "a", ["very", "old"]),
        ("my judge", "my", []),
    ],
)
def test_a_phrase_has_its_determiner_and_its_modifiers(
    prompt: str, told: str, modifiers: list[str]
):
    (found,) = phrases(prompt)
    assert found.told == told
    assert [ParsedPrompt(prompt).word(at) for at in found.modifiers] == modifiers
