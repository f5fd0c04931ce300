"""Categories that are known by a handful of sentences, with the embedded encoder."""

import pytest

from deployments.contracts import GuardRequest
from deployments.guard.embedding.few_shot import FewShot
from deployments.inference.encoder import TokenEncoder
from deployments.policy import Policy
from tests.guard.parts import POLICY

SPIDERS = {
    "code": "S",
    "description": "spiders and their webs",
    "why": "it shows spiders",
    "action": "block",
    "examples": {
        "forbidden": [
            "a tarantula on a mossy log",
            "a spider spinning a web between two fence posts",
            "a girl with a pet spider on her hand",
            "cartoon spider with eight boots",
        ],
        "allowed": [
            "a beetle on a mossy log",
            "a fisherman mending a net between two posts",
            "a girl with a pet hamster on her hand",
            "cartoon octopus with eight boots",
        ],
    },
}
BICYCLES = {
    "code": "T",
    "description": "bicycles and cyclists",
    "why": "it shows bicycles",
    "action": "block",
    "examples": {
        "forbidden": ["a bike race uphill", "a child learning to ride a bicycle"],
        "allowed": ["a car race uphill", "a child learning to swim"],
    },
}
# The word stands late, in a prompt that is about something else for the most part.
LONG = (
    "a cosy reading corner with a velvet armchair, stacks of old novels, a brass lamp, "
    "a wool blanket, rain on the window and {} on the curtain, soft light, oil painting"
)


@pytest.fixture(scope="module")
def encoder() -> TokenEncoder:
    return TokenEncoder(window=64, overlap=16)


@pytest.fixture(scope="module")
def few_shot(encoder: TokenEncoder) -> FewShot:
    categories = {"spiders": SPIDERS, "bicycles": BICYCLES}
    policy = POLICY.model_dump()
    policy["categories"] |= categories
    return FewShot(Policy.model_validate(policy), lambda: encoder)


def scored(few_shot: FewShot, *prompts: str) -> list[dict[str, float]]:
    return [piece.scores for piece in few_shot.score([GuardRequest(prompt=p) for p in prompts])]


@pytest.mark.slow
def test_only_categories_with_examples_are_scored(few_shot: FewShot) -> None:
    assert few_shot.categories == ("spiders", "bicycles")
    assert all(set(table) == {"spiders", "bicycles"} for table in scored(few_shot, "a", "b"))


def test_a_policy_without_examples_scores_nothing() -> None:
    few_shot = FewShot(POLICY)
    assert few_shot.categories == ()
    assert scored(few_shot, "a spider") == []


@pytest.mark.parametrize(
    ("prompt", "category"),
    [
        ("huge spider on the ceiling of a bathroom", "spiders"),
        (LONG.format("a spider"), "spiders"),
        ("a courier on a racing bike in the rain", "bicycles"),
    ],
)
def test_what_was_shown_is_found_in_other_words(
    few_shot: FewShot, prompt: str, category: str
) -> None:
    (table,) = scored(few_shot, prompt)
    assert [name for name, p in table.items() if p > 0.5] == [category]


@pytest.mark.parametrize(
    "prompt",
    [
        "a ladybird on a leaf, macro photo",
        "a knitting pattern with stars",
        "a hamster in a wheel",
        "a motor boat race at sunset",
        "a child learning to play the violin",
        LONG.format("a painted bird"),
    ],
)
def test_neighbours_and_everyday_prompts_pass(few_shot: FewShot, prompt: str) -> None:
    (table,) = scored(few_shot, prompt)
    assert max(table.values()) < 0.5


def test_each_window_of_a_long_prompt_has_its_table(few_shot: FewShot) -> None:
    tables = scored(few_shot, "", "a lake at dawn " * 30 + "with a spider", "a quiet street")
    assert len(tables) == 4
    assert [table["spiders"] > 0.5 for table in tables] == [False, False, True, False]


def test_the_negative_prompt_is_read(few_shot: FewShot) -> None:
    shown, avoiding = few_shot.score(
        [
            GuardRequest(prompt="a garden shed"),
            GuardRequest(prompt="a garden shed", negative_prompt="spiders, cobwebs"),
        ]
    )
    assert avoiding.scores["spiders"] > shown.scores["spiders"]
