"""POST /v1/safety/preview: what would become of a prompt, without a picture."""

import pytest

URL = "/v1/safety/preview"


async def test_unchanged_prompt_is_its_own_revised_prompt(http):
    body = (await http.post(URL, json={"prompt": "a dog"})).json()
    assert set(body) == {"action", "categories", "revised_prompt", "changes", "safety"}
    assert (body["action"], body["revised_prompt"], body["changes"]) == ("allow", "a dog", [])
    assert body["safety"]["decision"] == "delivered"


async def test_changes_are_disclosed(http, services):
    services.action, services.rewritten = "rewrite", "a softer text"
    services.category, services.scores = "demeaning", {"demeaning": 0.8}
    body = (await http.post(URL, json={"prompt": "a text"})).json()
    assert body["revised_prompt"] == "a softer text"
    assert body["categories"]["demeaning"] == 0.8
    assert body["changes"] == [
        {"kind": "soften", "from": "a text", "to": "a softer text", "why": "as told"}
    ]


async def test_block_is_a_200(http, services):
    services.action = "block"
    answer = await http.post(URL, json={"prompt": "x", "n": 2, "seed": 1, "operation": "edit"})
    assert answer.status_code == 200
    assert answer.json()["action"] == "block"
    assert answer.json()["safety"]["decision"] == "blocked"


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"prompt": " "}, "empty_string", "prompt"),
        ({"prompt": "x" * 501}, "string_above_max_length", "prompt"),
        ({"n": 11}, "integer_above_max_value", "n"),
        ({"seed": -1}, "integer_below_min_value", "seed"),
        ({"operation": "vary"}, "unsupported_value", "operation"),
        ({"model": "miniature"}, "unknown_parameter", "model"),
    ],
)
async def test_what_cannot_be_honoured_is_refused_by_name(http, asked, code, param):
    answer = await http.post(URL, json={"prompt": "a dog"} | asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)
