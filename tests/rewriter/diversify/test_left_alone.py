"""Which prompts are left alone, and for which reason."""

import pytest

from deployments.rewriter.diversify.left_alone import why_left_alone
from deployments.rewriter.diversify.parsed_prompt import ParsedPrompt

LEFT = {
    "children": [
        "a girl", "a baby", "1girl, solo", "2boys", "a ten year old pianist", "a 12-year-old",
        "a two month old", "aged 17", "age: 17", "5th grade",
    ],
    "setting": ["a Victorian lady", "a samurai", "in 1890", "a dancer in the 18th century"],
    "insulting": ["a chained slave", "a man as a monkey"],
    "named": [
        "Marie Curie", "Tom Hanks", "batman", "anna in the park", "a nurse named Anna",
        "Mr. Smith at work", "the president", "President Macron", "Zorbin Flargle at dinner",
    ],
}  # fmt: skip
TREATED = {
    "adults": ["a nurse", "a 40 year old nurse", "aged 18", "eighteen year old", "a cowboy"],
    "the word of a child in another": ["a bellboy", "toy story"],
    "times of today": ["in 1960", "a dancer in the 21st century"],
    "makers": ["photo by Annie Leibovitz, a nurse"],
    "offices that many hold": ["a president", "vice presidents"],
    "capitals that say nothing": ["A Nurse In A Ward", "Berlin street with a nurse", "in Anna"],
}


@pytest.mark.parametrize(
    ("reason", "prompt"), [(reason, text) for reason, texts in LEFT.items() for text in texts]
)
def test_a_prompt_is_left_alone_for_its_reason(reason: str, prompt: str):
    assert why_left_alone(ParsedPrompt(prompt)) == reason


@pytest.mark.parametrize(
    "prompt",
    [pytest.param(text, id=f"{kind}: {text}") for kind, texts in TREATED.items() for text in texts],
)
def test_other_prompts_are_not(prompt: str):
    assert why_left_alone(ParsedPrompt(prompt)) == ""
