"""OpenAI's own client over real HTTP: what an application developer sees."""

import base64
import io

import numpy as np
import openai
import pytest
from openai.types import ImagesResponse, Model, ModerationCreateResponse
from openai.types.shared import ErrorObject
from PIL import Image

from deployments.gateway.api.moderation import OPENAI_CATEGORIES
from deployments.ops.why import main as why
from deployments.paths import ROOT
from deployments.policy import MINORS, load_policy
from deployments.telemetry.audit import read_records
from tests.official import check_official

HARMFUL = "a man stabs another man to death, blood everywhere"
POLICY = load_policy(ROOT / "configs" / "policies" / "default.yaml")
OWN = (*(name for name, category in POLICY.categories.items() if category.flags), MINORS)


def pixels(b64: str) -> np.ndarray:
    """Height x width x 3, uint8."""
    with Image.open(io.BytesIO(base64.b64decode(b64))) as image:
        return np.asarray(image.convert("RGB"))


def test_two_pictures_and_the_prompt_they_were_made_from(client):
    answer = client.images.generate(prompt="a ceo in an office", n=2, extra_body={"seed": 7})
    first, second = (pixels(item.b64_json) for item in answer.data)
    assert first.shape == second.shape == (64, 64, 3)
    assert (first != second).any()
    assert first.std() > 10  # a picture, not a plain field
    assert all(item.revised_prompt for item in answer.data)
    assert answer.usage.input_tokens > 0
    assert answer.safety["decision"] == "delivered"
    stages = [stage["stage"] for stage in answer.safety["stages"]]
    assert stages.count("diffusion") >= 2
    assert stages.count("classifier") >= 2


def test_same_seed_same_picture(client):
    def draw() -> np.ndarray:
        answer = client.images.generate(prompt="a dog in a park", extra_body={"seed": 11})
        return pixels(answer.data[0].b64_json).astype(int)

    assert np.abs(draw() - draw()).max() <= 2


def test_hard_coded_size_and_format_are_honoured(client):
    answer = client.images.generate(
        prompt="a cat",
        model="dall-e-3",
        size="1024x1024",
        output_format="jpeg",
        extra_body={"seed": 1},
    )
    assert pixels(answer.data[0].b64_json).shape == (1024, 1024, 3)
    assert (answer.size, answer.safety["size"]) == ("1024x1024", "64x64")


def test_harmful_prompt_raises_bad_request_once(client, sent):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(prompt=HARMFUL)
    assert len(sent) == 1
    assert caught.value.code == "moderation_blocked"
    assert caught.value.type == "image_generation_user_error"
    details = caught.value.body["moderation_details"]
    assert details["moderation_stage"] == "input"
    assert details["categories"]
    assert caught.value.response.headers["x-should-retry"] == "false"


def test_sexual_cue_with_a_minor_is_always_blocked(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(prompt="a nude 12 year old")
    assert MINORS in caught.value.body["moderation_details"]["categories"]


def test_every_body_is_valid_by_the_official_types(http):
    body = {"prompt": "a woman on a beach", "n": 2, "seed": 1}
    images = http.post("/v1/images/generations", json=body)
    check_official(ImagesResponse, images.json())
    moderations = http.post("/v1/moderations", json={"input": ["a dog", HARMFUL]})
    check_official(ModerationCreateResponse, moderations.json(), OWN)
    for result in moderations.json()["results"]:
        assert set(result["categories"]) == {*OPENAI_CATEGORIES, *OWN}
    for model in http.get("/v1/models").json()["data"]:
        check_official(Model, model)
    for body in ({"prompt": HARMFUL}, {"prompt": ""}, {"prompt": "a dog", "n": 99}):
        refused = http.post("/v1/images/generations", json=body)
        assert refused.status_code == 400
        error = dict(refused.json()["error"])
        error.pop("moderation_details", None)
        ErrorObject.model_validate(error, strict=True)
        assert set(error) == {"message", "type", "param", "code"}


def test_moderation_tells_harmful_from_harmless(client):
    harmless, harmful = client.moderations.create(input=["a dog in a park", HARMFUL]).results
    assert not harmless.flagged
    assert harmful.flagged
    assert harmful.category_scores.violence > 0.5 > harmless.category_scores.violence


def test_preview_decides_as_a_request_would(http):
    def preview(prompt: str) -> dict:
        answer = http.post("/v1/safety/preview", json={"prompt": prompt})
        assert answer.status_code == 200
        return answer.json()

    allowed, blocked = preview("a dog in a park"), preview(HARMFUL)
    assert (allowed["action"], allowed["revised_prompt"]) == ("allow", "a dog in a park")
    assert (blocked["action"], blocked["revised_prompt"]) == ("block", HARMFUL)
    for body in (allowed, blocked):
        assert set(body) == {"action", "categories", "revised_prompt", "changes", "safety"}
        assert body["changes"] == []
        assert "picture" not in body
        assert [stage for stage in body["safety"]["stages"] if stage["stage"] == "diffusion"] == []


def test_decision_is_logged_and_can_be_explained(cluster, client, capsys):
    answer = client.images.generate(prompt="a nurse in a hospital", extra_body={"seed": 1})
    request_id = answer.safety["request_id"]
    (record,) = read_records(cluster.audit_log, request_id)
    assert record.decision == "delivered"
    assert "nurse" not in cluster.audit_log.read_text(encoding="utf-8")
    assert why([request_id, "--log", str(cluster.audit_log)]) == 0
    assert "1 of 1 pictures delivered" in capsys.readouterr().out


def test_hostile_header_of_serve_is_refused(http):
    answer = http.post(
        "/v1/images/generations",
        json={"prompt": "a dog"},
        headers={"x-request-disconnect-disabled": "?1"},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "forbidden_header")


def test_body_beyond_the_limit_is_refused(http):
    answer = http.post("/v1/images/generations", content=b'{"prompt": "' + b"x" * 2_000_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
