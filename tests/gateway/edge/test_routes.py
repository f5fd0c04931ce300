"""GET routes, and paths and methods that are not there."""

import pytest
from openai.types import Model


async def test_picture_model_comes_first_with_its_sizes(http, official):
    body = (await http.get("/v1/models")).json()
    names = [model["id"] for model in body["data"]]
    assert names[:3] == ["miniature", "dall-e-3", "gpt-image-1"]
    assert "safelight-guard" in names
    sizes = {"native": ["64x64", "96x64"], "resized": ["1024x1024"]}
    assert body["data"][0]["safety"]["sizes"] == sizes
    for model in body["data"]:
        official(Model, model)


async def test_the_official_client_lists_and_retrieves_models(client):
    listed = [model.id async for model in client.models.list()]
    assert (await client.models.retrieve(listed[0])).id == "miniature"


async def test_unknown_model_is_a_404(http):
    answer = await http.get("/v1/models/none")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


async def test_single_model_carries_trace_and_sizes(http):
    safety = (await http.get("/v1/models/miniature")).json()["safety"]
    assert safety["decision"] == "delivered"
    assert safety["sizes"]["native"] == ["64x64", "96x64"]


@pytest.mark.parametrize("status", ["starting", "failed"])
async def test_readiness_follows_the_services_and_health_does_not(http, readiness, status):
    assert (await http.get("/readyz")).status_code == 200
    readiness.status = status
    answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": status})
    assert 1 <= int(answer.headers["retry-after"]) <= 300
    assert (await http.get("/healthz")).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/v1/images/edits", 400, "unsupported_edit"),
        ("POST", "/v1/images/generations/", 404, "unknown_url"),
        ("GET", "/", 404, "unknown_url"),
        ("GET", "/docs", 404, "unknown_url"),
        ("GET", "/redoc", 404, "unknown_url"),
        ("GET", "/openapi.json", 404, "unknown_url"),
        ("GET", "/v1/images/generations", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
    ],
)
async def test_what_is_not_there_is_answered_in_the_error_form(http, method, path, status, code):
    answer = await http.request(method, path)
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) == (status, code)
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert body["safety"]["decision"] == "refused"
    assert ("allow" in answer.headers) == (status == 405)
