"""Bodies are bounded before they are read, and headers that steer Ray Serve are refused."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest

from deployments.gateway.edge.app import create_app
from deployments.gateway.edge.asgi import FORBIDDEN_HEADERS

URL = "/v1/images/generations"


async def test_body_that_says_it_is_too_long_is_not_read(app):
    """Asked for the body, this client would answer with an error."""

    async def receive():
        raise AssertionError("the body was read")

    sent = await call(app, receive, [(b"content-length", b"100001")])
    assert sent[0]["status"] == 413


async def test_body_that_lies_about_its_length_is_counted(app):
    chunks = iter([b"x" * 60_000] * 10)
    taken = []

    async def receive():
        taken.append(next(chunks))
        return {"type": "http.request", "body": taken[-1], "more_body": True}

    sent = await call(app, receive, [(b"content-length", b"10")])
    assert sent[0]["status"] == 413
    assert len(taken) == 2


async def test_too_long_is_answered_in_the_error_form(http, services):
    answer = await http.post(URL, content=b" " * 100_001)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert answer.json()["safety"]["decision"] == "refused"
    assert services.requests == []


async def test_chunked_body_within_the_limit_is_read_whole(http, services):
    async def chunks() -> AsyncIterator[bytes]:
        for part in (b'{"prompt"', b': "a d', b'og"}'):
            yield part

    assert (await http.post(URL, content=chunks())).status_code == 200
    assert services.requests[0].prompt == "a dog"


async def test_client_that_leaves_amid_its_body_asks_for_nothing(app, services):
    async def receive():
        return {"type": "http.disconnect"}

    sent = await call(app, receive, [])
    assert sent[0]["status"] == 400
    assert services.requests == []


@pytest.mark.parametrize("name", FORBIDDEN_HEADERS)
async def test_header_that_steers_ray_serve_is_refused(http, services, name):
    answer = await http.post(URL, json={"prompt": "a dog"}, headers={name: "0"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "forbidden_header")
    assert services.requests == []


async def test_request_id_is_a_uuid_in_header_and_body(http):
    answer = await http.post(URL, json={"prompt": "a dog"})
    request_id = answer.headers["x-request-id"]
    assert str(uuid.UUID(request_id)) == request_id == answer.json()["safety"]["request_id"]


async def test_request_ids_differ(http):
    ids = {(await http.get("/v1/models")).headers["x-request-id"] for _ in range(5)}
    assert len(ids) == 5


async def test_uuid_of_the_proxy_in_front_is_taken_and_left_to_it_to_answer(http):
    given = str(uuid.uuid4())
    answer = await http.post(URL, json={"prompt": "a dog"}, headers={"x-request-id": given})
    assert answer.json()["safety"]["request_id"] == given
    assert "x-request-id" not in answer.headers


async def test_request_id_of_another_form_is_not_used(http):
    answer = await http.post(URL, json={"prompt": "a"}, headers={"x-request-id": "../x"})
    assert uuid.UUID(answer.json()["safety"]["request_id"])


async def test_errors_of_the_router_have_request_ids(http):
    answer = await http.get("/none")
    assert answer.headers["x-request-id"] == answer.json()["safety"]["request_id"]


async def call(app, receive, headers):
    """One POST through the bare ASGI interface; returns the messages that were sent."""
    sent = []

    async def send(message):
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": URL,
        "raw_path": URL.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("safelight", 80),
    }
    await app(scope, receive, send)
    return sent


async def test_client_that_hangs_up_cancels_the_walk(http, services):
    services.drawn.clear()
    request = asyncio.create_task(http.post(URL, json={"prompt": "a dog"}))
    await services.begun.wait()
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    assert services.cancelled == 1


async def test_body_that_dawdles_is_given_up(services, config, audit, readiness):
    impatient = config.model_copy(update={"body_timeout_s": 0.01})

    async def receive():
        await asyncio.Event().wait()

    sent = await call(create_app(services.walk, impatient, audit, readiness), receive, [])
    assert sent[0]["status"] == 408
    assert services.requests == []


@pytest.mark.parametrize("limit", [{"max_requests": 1}, {"max_held_bytes": 1500}])
async def test_what_is_beyond_a_limit_in_common_is_told_to_come_back(
    services, config, audit, readiness, limit
):
    services.drawn.clear()
    app = create_app(services.walk, config.model_copy(update=limit), audit, readiness)
    body = b'{"prompt": "a dog"}'.ljust(1000)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://safelight") as http:
        first = asyncio.create_task(http.post(URL, content=body))
        await services.begun.wait()
        second = await http.post(URL, content=body)
        services.drawn.set()
        assert (await first).status_code == 200
        assert (await http.post(URL, content=body)).status_code == 200  # all is given back
    assert (second.status_code, second.json()["error"]["code"]) == (429, "overloaded")
    assert second.headers["retry-after"] == "2"
