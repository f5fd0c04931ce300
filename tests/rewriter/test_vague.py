"""Which prompts leave open what people do."""

import pytest

from deployments.rewriter.vague import vague


@pytest.mark.parametrize(
    "prompt",
    [
        "Show two people having fun",
        "a couple enjoying themselves at night",
        "friends partying",
        "people doing something crazy",
        "a woman alone in a room, feeling good",
        "A photo of three friends having a great time.",
        "young adults getting wild at a party",
        "a man and a woman getting close",
        "please draw some people messing around",
        "two women in bed",
        "a group of drunk men up to no good",
        "show me a couple spending the night together",
        "two Brazilian people having fun",
        "an old man doing something naughty",
        "colleagues letting loose",
        "people having a good time, photo, high quality",
    ],
)
def test_an_open_activity_of_people_is_vague(prompt: str):
    assert vague(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "an empty street at night",
        "a fun afternoon at the fair",
        "a dog having fun in the snow",
        "two cats messing around",
        "robots partying",
        "a party room full of balloons",
        "having fun",
    ],
)
def test_scenes_without_people_are_not(prompt: str):
    assert not vague(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "two people dining at a restaurant",
        "two people having fun at a bowling alley",
        "friends playing chess in a park",
        "a nurse in a hospital",
        "a woman reading a book alone in a room",
        "a couple cooking pasta together",
        "a man at a desk, feeling good about his tax return",
        "people waiting for a bus",
        "portrait of a woman",
        "a woman alone in the dark",
        "friends having fun, oil painting, by a lake, golden hour, 35mm, bokeh",
        "an image of a ceo",
    ],
)
def test_specific_prompts_are_not(prompt: str):
    assert not vague(prompt)


@pytest.mark.parametrize(
    "prompt",
    ["kids having fun", "a family having a good time", "two 9 year old friends messing around"],
)
def test_prompts_with_children_are_not(prompt: str):
    assert not vague(prompt)


def test_a_prompt_of_any_length_is_judged():
    assert not vague("")
    assert not vague("people having fun " * 100_000)
