"""A prompt in words, segments and known phrases."""

import pytest

from deployments.rewriter.diversify.parsed_prompt import ParsedPrompt


@pytest.mark.parametrize(
    ("prompt", "segments"),
    [
        ("a nurse", [["a", "nurse"]]),
        ("a nurse, night", [["a", "nurse"], ["night"]]),
        ("Dr. Miller at work", [["dr", "miller", "at", "work"]]),
        ("at work. A nurse", [["at", "work"], ["a", "nurse"]]),
        ("a nurse - night", [["a", "nurse"], ["night"]]),
        ("co-worker’s desk", [["co-worker's", "desk"]]),
        ("(nurse:1.3)", [["nurse"], ["1.3"]]),
        ("", []),
    ],
)
def test_words_stand_in_segments_between_punctuation(prompt: str, segments: list[list[str]]):
    parsed = ParsedPrompt(prompt)
    found: list[list[str]] = [[] for _ in range(parsed.segments)]
    for word in parsed.words:
        found[word.segment].append(word.text)
    assert found == segments


@pytest.mark.parametrize(
    ("prompt", "silent"),
    [
        ('a sign "nurse wanted" at a door', ["nurse", "wanted"]),
        ("a sign that says nurse, at a door", ["nurse"]),
        ("a sign which reads nurse, night", ["nurse"]),
        ("a nurse reads a book", []),
    ],
)
def test_lettering_is_silent(prompt: str, silent: list[str]):
    assert [word.text for word in ParsedPrompt(prompt).words if word.silent] == silent


def test_the_longest_known_phrase_is_found():
    parsed = ParsedPrompt("a school teacher and a teacher")
    nouns = [noun.lemma for noun in map(parsed.noun, parsed.spans) if noun]
    assert nouns == ["school teacher", "teacher"]


def test_a_known_phrase_ends_at_punctuation():
    parsed = ParsedPrompt("school, teacher")
    assert "school teacher" not in [
        getattr(parsed.noun(span), "lemma", "") for span in parsed.spans
    ]


@pytest.mark.parametrize(
    ("prompt", "first"),
    [
        ("a castle by greg", 2),
        ("a nurse surrounded by cats", 5),
        ("a castle in the style of monet", 4),
        ("a castle", 2),
    ],
)
def test_makers_are_named_from_the_first_credit_on(prompt: str, first: int):
    assert ParsedPrompt(prompt).makers_from == first


@pytest.mark.parametrize("at", [-1, 2, 99])
def test_outside_of_the_prompt_is_nothing(at: int):
    parsed = ParsedPrompt("a nurse")
    assert (parsed.word(at), parsed.span(at), parsed.labels(at)) == ("", None, frozenset())
    assert not parsed.breaks(at)
