"""POST /v1/moderations: the guard's verdict in OpenAI's result form."""

import base64

import pytest
from openai.types import ModerationCreateResponse

from deployments.errors import Overloaded
from deployments.gateway.api.moderation import OPENAI_CATEGORIES
from deployments.policy import MINORS
from tests.gateway.services import make_picture

URL = "/v1/moderations"


@pytest.fixture
def own(policy):
    flagging = tuple(name for name, category in policy.categories.items() if category.flags)
    return (*flagging, MINORS)


async def test_the_official_client_reads_a_verdict(client, services):
    services.action, services.category, services.scores = "block", "violence", {"violence": 0.9}
    answer = await client.moderations.create(input="some text")
    result = answer.results[0]
    assert result.flagged
    assert result.categories.violence
    assert not result.categories.sexual
    assert result.category_scores.violence_graphic == 0.9


async def test_body_is_valid_by_the_official_types_with_all_thirteen_categories(
    http, own, official
):
    body = (await http.post(URL, json={"input": ["one", "two"]})).json()
    official(ModerationCreateResponse, body, own)
    for result in body["results"]:
        assert set(result["categories"]) == {*OPENAI_CATEGORIES, *own}
        assert set(result["category_scores"]) == set(result["categories"])
        assert set(result["category_applied_input_types"]) == set(result["categories"])


async def test_list_is_answered_in_order(http, services):
    body = (await http.post(URL, json={"input": [f"text {i}" for i in range(9)]})).json()
    assert len(body["results"]) == 9
    assert sorted(one.prompt for one in services.read) == [f"text {i}" for i in range(9)]


async def test_text_parts_are_one_input(http, services):
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    body = (await http.post(URL, json={"input": parts})).json()
    assert len(body["results"]) == 1
    assert [one.prompt for one in services.read] == ["one\ntwo"]


def shown(seed: int = 0) -> dict:
    data = base64.b64encode(make_picture(seed).png).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


async def test_the_official_client_has_a_picture_judged(client, services, own, official):
    services.seen = {"violence": 0.95}
    answer = await client.moderations.create(input=[shown()])
    official(ModerationCreateResponse, answer.model_dump(exclude_unset=True, by_alias=True), own)
    (result,) = answer.results
    assert result.flagged
    assert result.categories.violence
    assert result.category_applied_input_types.violence == ["image"]
    assert result.category_applied_input_types.harassment == []
    assert [(one.prompt, one.output.sha256) for one in services.judged] == [
        ("", make_picture().sha256)
    ]
    assert services.read == []


async def test_text_and_pictures_of_one_input_are_judged_together(http, services):
    services.seen = {"violence": 0.1}
    parts = [{"type": "text", "text": "a dog"}, shown(1), shown(2)]
    body = (await http.post(URL, json={"input": parts})).json()
    (result,) = body["results"]
    assert not result["flagged"]
    assert result["category_applied_input_types"]["violence"] == ["text", "image"]
    assert result["category_applied_input_types"]["illicit"] == ["text"]
    assert [one.prompt for one in services.judged] == ["a dog", "a dog"]
    assert len(result["safety"]["pictures"]) == 2


async def test_a_picture_s_score_is_a_half_where_the_policy_flags(http, services, policy):
    threshold = policy.output.thresholds["violence"]
    for score, given in ((threshold, 0.5), (threshold / 2, 0.25), (1.0, 1.0)):
        services.seen = {"violence": score}
        result = (await http.post(URL, json={"input": [shown()]})).json()["results"][0]
        assert result["category_scores"]["violence"] == pytest.approx(given)
        assert result["flagged"] is (score >= threshold)


async def test_category_that_only_scores_stands_under_safety_and_does_not_flag(http, services):
    services.scores = {"public_figures": 0.97}
    result = (await http.post(URL, json={"input": "x"})).json()["results"][0]
    assert not result["flagged"]
    assert max(result["category_scores"].values()) <= 0.5
    assert "public_figures" not in result["categories"]
    assert result["safety"]["scores"]["public_figures"] == 0.97


async def test_softened_category_flags(http, services):
    services.action, services.category, services.scores = "rewrite", "demeaning", {"demeaning": 0.6}
    result = (await http.post(URL, json={"input": "x"})).json()["results"][0]
    assert result["flagged"]
    assert result["categories"]["demeaning"]


async def test_score_at_the_threshold_flags_and_below_does_not(http, services):
    for score, flagged in ((0.5, True), (0.49, False)):
        services.scores = {"hate": score}
        result = (await http.post(URL, json={"input": "x"})).json()["results"][0]
        assert result["flagged"] is flagged
        assert result["categories"]["hate"] is flagged


async def test_rule_on_minors_flags_its_category(http, services):
    services.action, services.category, services.scores = "block", MINORS, {MINORS: 1.0}
    result = (await http.post(URL, json={"input": "x"})).json()["results"][0]
    assert result["flagged"]
    assert result["categories"]["sexual/minors"]
    assert result["category_scores"]["sexual/minors"] == 1.0


async def test_block_for_a_category_that_the_policy_does_not_know_flags(http, services):
    services.action, services.category = "block", None
    result = (await http.post(URL, json={"input": "x"})).json()["results"][0]
    assert result["flagged"]
    assert result["categories"]["unknown"]


async def test_guard_that_cannot_answer_fails_the_whole_request(http, services):
    services.failures["guard"] = Overloaded("guard", "its queue is full", 3)
    answer = await http.post(URL, json={"input": ["one", "two"]})
    assert answer.status_code == 429
    assert "results" not in answer.json()


async def test_input_of_the_full_length_is_judged(http, services):
    assert (await http.post(URL, json={"input": "x" * 32_000})).status_code == 200


REFUSED = [
    ({}, "missing_required_parameter", "input"),
    ({"input": None}, "missing_required_parameter", "input"),
    ({"input": []}, "empty_array", "input"),
    ({"input": ""}, "empty_string", "input"),
    ({"input": ["one", " "]}, "empty_string", "input"),
    ({"input": [{"type": "text", "text": " "}]}, "empty_string", "input"),
    ({"input": [1, 2]}, "invalid_type", "input"),
    ({"input": ["one", 2]}, "invalid_type", "input"),
    ({"input": {"type": "text", "text": "one"}}, "invalid_type", "input"),
    ({"input": [{"type": "text"}]}, "invalid_value", "input"),
    ({"input": [{"type": "text", "text": "one", "more": 1}]}, "invalid_value", "input"),
    (
        {"input": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]},
        "invalid_image_file",
        "input",
    ),
    (
        {"input": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]},
        "unsupported_image_url",
        "input",
    ),
    (
        {"input": [{"type": "image_url", "image_url": {"url": "data:"}}] * 5},
        "array_above_max_length",
        "input",
    ),
    ({"input": [{"type": "image_url", "image_url": "data:"}]}, "invalid_value", "input"),
    ({"input": "x" * 32_001}, "string_above_max_length", "input"),
    ({"input": ["x"] * 33}, "array_above_max_length", "input"),
    ({"input": "x", "model": "other"}, "model_not_found", "model"),
    ({"input": "x", "policy": {}}, "unknown_parameter", "policy"),
]


@pytest.mark.parametrize(("asked", "code", "param"), REFUSED)
async def test_what_cannot_be_judged_is_refused_by_name(http, services, asked, code, param):
    answer = await http.post(URL, json=asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)
    assert services.read == []
