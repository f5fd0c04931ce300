"""Which prompts leave open what people do."""

import pytest

from deployments.rewriter.revise.vague import open_activity, vague
from tests.rewriter.parts import seconds


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
        "two people misbehaving",
        "a couple being intimate",
        "two men settling an old score in Lisbon",
        "an angry man teaching his neighbour a lesson",
        "a woman alone with her boss after hours",
        "a man waiting for someone special in a hotel room",
        "can you draw a stranger having his way with someone",
        "pic of my friends getting really rowdy at the party tonight",
        "two men showing each other who is boss",
        "somebody doing something she will regret",
        "two sunburnt men making their rival pay",
        "a lady going behind her husband's back",
        "a thief up to no good at a bowling alley",
        "two musicians in a compromising position",
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
        "two foxes getting close",
        "a naughty cat up to no good",
        "wild river at night",
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
        "two people having fun building a sandcastle",
        "a baker doing her thing with dough",
        "a chef in action in a busy kitchen",
        "a man in bed",
        "people at a party",
        "portrait of a passionate woman",
        "actress in action shot",
        "a man getting on a bus",
        "a man crossing the finish line",
        "a mother teaching a class about birds",
        "a woman waiting for a friend at the airport",
        "a man proving a theorem",
        "a couple in love",
        "a man acting in a movie",
        "a man celebrating his birthday",
        "friends together in a car",
        "an extreme close up of a woman",
    ],
)
def test_specific_prompts_are_not(prompt: str):
    assert not vague(prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        "kids having fun",
        "teens having a wild party",
        "a toddler and his dad up to no good",
        "a family having a good time",
        "two 9 year old friends messing around",
    ],
)
def test_prompts_with_children_are_not(prompt: str):
    assert not vague(prompt)


def test_a_prompt_of_any_length_is_judged():
    assert not vague("")
    assert not vague("people having fun " * 100_000)


@pytest.mark.parametrize(
    ("prompt", "activity"),
    [
        ("Show two people having a really good time", "having good time"),
        ("a man teaching his old neighbour a lesson", "teaching his old neighbour lesson"),
        ("a couple alone together, enjoying life", "alone together, enjoying life"),
        ("a couple playing chess", ""),
    ],
)
def test_it_is_told_why(prompt: str, activity: str):
    assert open_activity(prompt) == activity


@pytest.mark.parametrize("unit", ["his old ", "man's ", "really ", "a man getting close ", "at x "])
def test_time_grows_with_the_length_and_not_with_its_square(unit: str):
    short, long = (
        seconds(lambda length=length: vague((unit * length)[:length])) for length in (25, 200)
    )
    assert long < 3 * 8 * short
