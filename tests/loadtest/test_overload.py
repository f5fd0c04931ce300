"""The overload show: its arithmetic, and its callers against an application that is always full."""

import httpx
import pytest

from deployments.contracts import PolicyRef
from deployments.errors import Overloaded
from deployments.gateway.edge.failures import failure_reply
from deployments.telemetry.trace import Trace
from loadtest.overload import (
    WARM_UP_SECONDS,
    Answer,
    Callers,
    arrivals,
    formed,
    per_second,
    summary,
    wrong,
)

FINE = {
    "statuses": {"200": 9, "400": 1, "429": 5},
    "refusals_without_time": 0,
    "refusals_out_of_form": 0,
    "memory_mb": {"before": 100, "peak": 200, "after": 110, "bound": 612},
    "draws_afterwards": True,
}


def refusal() -> httpx.Response:
    """The gateway's own."""
    trace = Trace("a-request", PolicyRef(name="test", version="1", hash="0"))
    reply = failure_reply(Overloaded("diffusion", "the queue is full", 1.0), trace).render()
    return httpx.Response(reply.status_code, headers=reply.headers, content=reply.body)


def test_arrivals_have_the_rate_and_are_the_same_for_the_same_seed():
    times = arrivals(5.0, 1000.0, seed=1)
    assert len(times) == pytest.approx(5000, rel=0.05)
    assert times == sorted(times)
    assert 0 < times[0] < times[-1] < 1000.0
    assert times == arrivals(5.0, 1000.0, seed=1)
    assert times != arrivals(5.0, 1000.0, seed=2)


def test_the_gateways_refusal_has_its_form_and_others_have_not():
    body = refusal().content
    assert formed(body)
    assert not formed(body.replace(b'"safety"', b'"more"'))
    assert not formed(body.replace(b'"code"', b'"number"'))
    assert not formed(b"Too many requests")


def test_only_pictures_delivered_within_the_time_count():
    answers = [Answer(200, 0, done) for done in (1.0, 2.0, 9.9, 10.0)] + [Answer(400, 0, 3.0)]
    assert per_second(answers, 2.0, 10.0) == 2 / 8


def test_summary_of_a_few_answers():
    answers = [
        Answer(200, 0.0, WARM_UP_SECONDS - 1),
        Answer(200, 6.0, WARM_UP_SECONDS),
        Answer(429, 1.0, 1.1, told=9),
        Answer(429, 2.0, 2.1, told=11, drawn=1),
        Answer(200, 10.1, 19.0, back=True),
        Answer(429, 21.0, 21.1, back=True, told=5, formed=False),
    ]
    found = summary([0.16, 0.24], answers, seconds=20.0)
    assert found["goodput_over_capacity"] == 1.0
    assert found["statuses"] == {"200": 3, "429": 3}
    assert found["retry_after_s"] == {"median": 9.0, "max": 11}
    assert found["refusals_without_time"] == 0
    assert found["refusals_out_of_form"] == found["refusals_after_drawing"] == 1
    assert found["back_in_overload"] == {"came": 1, "let_in": 1, "share": 1.0}
    assert found["back_later"] == {"came": 1, "let_in": 0, "share": 0.0}
    assert found["back"]["share"] == 0.5
    assert found["served_seconds"]["p99"] == pytest.approx(9.0, rel=0.01)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({}, []),
        ({"statuses": {"200": 1, "503": 1}}, ["server errors"]),
        ({"statuses": {"0": 1}}, ["requests without an answer"]),
        ({"refusals_without_time": 1}, ["refusals without a time"]),
        ({"refusals_out_of_form": 1}, ["refusals out of form"]),
        ({"memory_mb": {"peak": 700, "bound": 612}}, ["memory beyond its bound"]),
        ({"draws_afterwards": False}, ["no picture afterwards"]),
    ],
)
def test_what_is_wrong(change, what):
    assert wrong(FINE | change) == what


@pytest.mark.slow
async def test_whoever_is_refused_comes_back_once_with_the_same_at_the_time_told():
    bodies = []

    def full(request: httpx.Request) -> httpx.Response:
        bodies.append(request.content)
        return refusal()

    async with httpx.AsyncClient(base_url="http://full", transport=httpx.MockTransport(full)) as h:
        callers = Callers(h, seed=7)
        await callers.call(at=0.0)
    first, second = callers.answers
    assert (first.status, first.back, first.told, first.formed) == (429, False, 1, True)
    assert second.back
    assert 1.0 <= second.sent - first.done < 1.5
    assert bodies[0] == bodies[1]


async def test_a_hang_up_is_no_answer():
    def broken(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadError("gone", request=request)

    async with httpx.AsyncClient(
        base_url="http://broken", transport=httpx.MockTransport(broken)
    ) as h:
        callers = Callers(h, seed=7)
        await callers.call(at=0.0)
    assert [answer.status for answer in callers.answers] == [0]
