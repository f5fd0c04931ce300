"""Whatever is sent, the edge answers in OpenAI's form, and never with a fault of its own."""

import asyncio
import json

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.gateway.api.bodies import ImagesBody, ModerationsBody, PreviewBody

URLS = ("/v1/images/generations", "/v1/moderations", "/v1/safety/preview")
FIELDS = sorted(
    {*ImagesBody.model_fields, *ModerationsBody.model_fields, *PreviewBody.model_fields}
)

text = st.text(st.characters(categories=None), max_size=30)  # lone surrogates too
leaf = st.none() | st.booleans() | st.integers() | st.floats() | text
value = st.recursive(
    leaf, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=8
)
plausible = st.sampled_from(
    [
        "auto",
        "low",
        "off",
        "png",
        "jpeg",
        "64x64",
        "1024x1024",
        "miniature",
        "generate",
        0,
        1,
        2,
        False,
    ]
)
bodies = st.dictionaries(st.sampled_from(FIELDS) | text, plausible | value, max_size=6).map(
    lambda body: json.dumps(body).encode()
)
relaxed = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the edge keeps no state
)


def check(answer: httpx.Response) -> None:
    assert answer.status_code in (200, 400)
    body = answer.json()
    assert body["safety"]["request_id"] == answer.headers["x-request-id"]
    if answer.status_code == 400:
        error = body["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["code"]
        assert "Traceback" not in answer.text
        assert "pydantic" not in answer.text


def post(app, url: str, body: bytes) -> httpx.Response:
    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://safelight") as client:
            return await client.post(url, content=body)

    return asyncio.run(send())


@pytest.mark.slow
@pytest.mark.parametrize("url", URLS)
@relaxed
@given(body=bodies)
def test_any_object_is_answered(app, url, body):
    check(post(app, url, body))


@pytest.mark.slow
@pytest.mark.parametrize("url", URLS)
@relaxed
@given(body=st.binary(max_size=60) | value.map(lambda v: json.dumps(v).encode()))
def test_any_bytes_are_answered(app, url, body):
    check(post(app, url, body))


@pytest.mark.slow
@relaxed
@given(
    prompt=text,
    changes=st.dictionaries(st.sampled_from(sorted(ImagesBody.model_fields)), plausible),
)
def test_any_mixture_of_plausible_fields_is_answered(app, prompt, changes):
    check(post(app, URLS[0], json.dumps({"prompt": prompt} | changes).encode()))
