"""POST /v1/images/generations: what is asked for is made, and answered in OpenAI's form."""

import base64
import json
from io import BytesIO
from typing import Any

import pytest
from openai.types import ImagesResponse
from PIL import Image

URL = "/v1/images/generations"


def decode(item: dict[str, Any]) -> Image.Image:
    return Image.open(BytesIO(base64.b64decode(item["b64_json"])))


async def test_the_official_client_gets_its_pictures_and_the_revised_prompt(client, services):
    services.rewritten = "a person in an office"
    answer = await client.images.generate(prompt="a ceo in an office", n=2)
    assert len(answer.data) == 2
    assert {item.revised_prompt for item in answer.data} == {"a person in an office"}


async def test_body_is_valid_by_the_official_types(http, official):
    body = (await http.post(URL, json={"prompt": "a dog", "n": 2, "user": "u1"})).json()
    official(ImagesResponse, body)
    assert body["background"] == "opaque"
    assert body["output_format"] == "png"
    assert body["size"] == "64x64"
    assert "quality" not in body
    assert body["safety_identifier"] == "u1"
    assert body["usage"]["total_tokens"] == 7 + 512
    assert body["safety"]["decision"] == "delivered"


async def test_unchanged_prompt_is_its_own_revised_prompt(http):
    body = (await http.post(URL, json={"prompt": "a dog"})).json()
    assert body["data"][0]["revised_prompt"] == "a dog"


async def test_each_field_reaches_the_services(http, services):
    answer = await http.post(
        URL,
        json={
            "prompt": "a dog",
            "model": "dall-e-3",
            "n": 3,
            "size": "96x64",
            "seed": 5,
            "num_inference_steps": 30,
            "guidance_scale": 2,
            "negative_prompt": "rain",
            "moderation": "low",
            "rewrite": "off",
        },
    )
    assert answer.status_code == 200
    assert sorted(request.seed for request in services.requests) == [5, 6, 7]
    request = services.requests[0]
    assert (request.steps, request.guidance_scale) == (30, 2.0)
    assert (request.width, request.height, request.negative_prompt) == (96, 64, "rain")
    assert request.request_id == answer.json()["safety"]["request_id"]
    assert services.read[0].loosen
    assert services.rewrites[0].kinds == ("anonymise",)  # nothing that merely improves


async def test_neutral_values_and_nulls_mean_the_defaults(http, services):
    neutral = {
        "model": None,
        "n": None,
        "size": "auto",
        "quality": "standard",
        "background": "opaque",
        "response_format": "b64_json",
        "output_format": None,
        "output_compression": 100,
        "moderation": "auto",
        "stream": False,
        "partial_images": 0,
        "style": None,
        "svg": None,
        "user": None,
        "seed": 1,
    }
    assert (await http.post(URL, json={"prompt": "a dog", "seed": 1})).status_code == 200
    assert (await http.post(URL, json={"prompt": "a dog"} | neutral)).status_code == 200
    plain, spelled_out = services.requests
    assert plain.model_copy(update={"request_id": spelled_out.request_id}) == spelled_out


async def test_named_quality_sets_the_steps_and_is_answered(http, services):
    body = (await http.post(URL, json={"prompt": "a dog", "quality": "hd"})).json()
    assert services.requests[0].steps == 40
    assert body["quality"] == "high"


async def test_seed_is_random_unless_given_and_stands_in_the_trace(http, services):
    bodies = [(await http.post(URL, json={"prompt": "a dog", "n": 2})).json() for _ in range(4)]
    firsts = [body["safety"]["tries"][0]["seed"] for body in bodies]
    assert len(set(firsts)) > 1  # all four equal: once in 2**96
    for body, first in zip(bodies, firsts, strict=True):
        seeds = {attempt["index"]: attempt["seed"] for attempt in body["safety"]["tries"]}
        assert seeds == {0: first, 1: (first + 1) % 2**32}
    drawn = {(request.request_id, request.seed) for request in services.requests}
    assert {
        (body["safety"]["request_id"], body["safety"]["tries"][0]["seed"]) for body in bodies
    } < drawn


async def test_size_that_the_model_does_not_make_is_resized_and_the_true_one_named(http, services):
    body = (await http.post(URL, json={"prompt": "a dog", "size": "1024x1024"})).json()
    assert decode(body["data"][0]).size == (1024, 1024)
    assert body["size"] == "1024x1024"
    assert body["safety"]["size"] == "64x64"
    assert (services.requests[0].width, services.requests[0].height) == (64, 64)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
async def test_output_format_is_what_was_asked_for(http, output_format):
    body = (await http.post(URL, json={"prompt": "x", "output_format": output_format})).json()
    assert decode(body["data"][0]).format == output_format.upper()
    assert body["output_format"] == output_format


async def test_png_names_request_and_policy(http, policy):
    body = (await http.post(URL, json={"prompt": "a dog"})).json()
    assert decode(body["data"][0]).info == {
        "request_id": body["safety"]["request_id"],
        "policy_hash": policy.ref.hash,
    }


async def test_refused_pictures_are_left_out_and_named(http, services, official):
    services.harmful = frozenset({1})
    body = (await http.post(URL, json={"prompt": "a dog", "n": 3, "seed": 0})).json()
    official(ImagesResponse, body)
    assert len(body["data"]) == 2
    assert body["safety"]["refused"] == [1]
    assert body["safety"]["decision"] == "delivered"


async def test_safety_identifier_wins_over_user(http):
    asked = {"prompt": "a dog", "user": "old", "safety_identifier": "new"}
    assert (await http.post(URL, json=asked)).json()["safety_identifier"] == "new"


REFUSED = [
    # what is asked, the code, the field
    ({"prompt": None}, "missing_required_parameter", "prompt"),
    ({"prompt": ""}, "empty_string", "prompt"),
    ({"prompt": " \n\t\u00a0\u200b"}, "empty_string", "prompt"),
    ({"prompt": "x" * 501}, "string_above_max_length", "prompt"),
    ({"prompt": ["a dog"]}, "invalid_type", "prompt"),
    ({"prompt": 7}, "invalid_type", "prompt"),
    ({"negative_prompt": "x" * 501}, "string_above_max_length", "negative_prompt"),
    ({"model": "dall-e-9"}, "model_not_found", "model"),
    ({"model": ""}, "model_not_found", "model"),
    ({"n": 0}, "integer_below_min_value", "n"),
    ({"n": 11}, "integer_above_max_value", "n"),
    ({"n": "2"}, "invalid_type", "n"),
    ({"n": 2.0}, "invalid_type", "n"),
    ({"n": True}, "invalid_type", "n"),
    ({"size": "63x64"}, "invalid_value", "size"),
    ({"size": "1024x1792"}, "invalid_value", "size"),
    ({"size": "huge"}, "invalid_value", "size"),
    ({"quality": "max"}, "unsupported_value", "quality"),
    ({"quality": "best"}, "unsupported_value", "quality"),
    ({"quality": "low", "num_inference_steps": 9}, "conflicting_parameters", "num_inference_steps"),
    ({"background": "transparent"}, "unsupported_value", "background"),
    ({"response_format": "url"}, "unsupported_value", "response_format"),
    ({"output_format": "gif"}, "unsupported_value", "output_format"),
    ({"output_compression": 50}, "unsupported_value", "output_compression"),
    ({"output_compression": 101}, "integer_above_max_value", "output_compression"),
    ({"moderation": "off"}, "unsupported_value", "moderation"),
    ({"partial_images": 1, "stream": True}, "unsupported_value", "partial_images"),
    ({"stream": 0}, "invalid_type", "stream"),
    ({"partial_images": False}, "invalid_type", "partial_images"),
    ({"partial_images": 2}, "unsupported_value", "partial_images"),
    ({"style": "vivid"}, "unsupported_parameter", "style"),
    ({"frame_count": 4}, "unsupported_parameter", "frame_count"),
    ({"steps": 4}, "unknown_parameter", "steps"),
    ({"steps": None}, "unknown_parameter", "steps"),
    ({"user": "u" * 513}, "string_above_max_length", "user"),
    ({"seed": -1}, "integer_below_min_value", "seed"),
    ({"seed": 2**32}, "integer_above_max_value", "seed"),
    ({"num_inference_steps": 51}, "integer_above_max_value", "num_inference_steps"),
    ({"guidance_scale": 30.5}, "decimal_above_max_value", "guidance_scale"),
    ({"guidance_scale": -0.5}, "decimal_below_min_value", "guidance_scale"),
    ({"guidance_scale": "7"}, "invalid_type", "guidance_scale"),
    ({"rewrite": False}, "unsupported_value", "rewrite"),
]


@pytest.mark.parametrize(("asked", "code", "param"), REFUSED)
async def test_what_cannot_be_honoured_is_refused_by_name(http, services, asked, code, param):
    answer = await http.post(URL, json={"prompt": "a dog"} | asked)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert services.requests == []


BROKEN = [
    (b"", "invalid_json"),
    (b"{", "invalid_json"),
    (b"[]", "invalid_type"),
    (b'"a dog"', "invalid_type"),
    (b"null", "invalid_type"),
    (b'{"prompt": "a dog", "guidance_scale": NaN}', "invalid_json"),
    (b'{"prompt": "a dog", "guidance_scale": 1e999}', "invalid_json"),
    (b'{"prompt": "a dog", "prompt": "a cat"}', "invalid_json"),
    (b'{"prompt": "a \\ud800 dog"}', "invalid_unicode"),
    (b'{"prompt": "a \\u0000 dog"}', "invalid_unicode"),
    (b'{"prompt": "a dog", "\\udfff": 1}', "invalid_unicode"),
    (b'{"prompt": "a \xff dog"}', "invalid_json"),
    (b'{"prompt": "a dog", "seed": ' + b"9" * 5000 + b"}", "invalid_json"),
    (b"[" * 20_000, "invalid_json"),
    (b"[" * 40 + b"]" * 40, "invalid_json"),
    (json.dumps({"prompt": "a dog"}).encode("utf-16"), "invalid_json"),
]


@pytest.mark.parametrize(("body", "code"), BROKEN)
async def test_broken_body_is_refused_with_a_stable_code(http, services, body, code):
    answer = await http.post(URL, content=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert services.requests == []


async def test_refusal_never_repeats_the_value(http):
    answer = await http.post(URL, json={"prompt": "a dog", "size": "secret", "n": "secret"})
    assert "secret" not in answer.text
