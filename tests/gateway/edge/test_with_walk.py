"""The edge and the real walk together, over plain services: one answer for each way to end."""

import httpx
import pytest

from deployments.contracts import Generation, GenerationRequest, PictureRequest, PictureVerdict
from deployments.gateway.edge.app import create_app
from deployments.gateway.walk.pipeline import Walk
from tests.gateway.parts import BLOCK, POLICY, SOFTEN, Broken, Guard, Rewriter, Slow, impatient
from tests.gateway.services import make_picture

URL = "/v1/images/generations"


class Painter:
    """Draws pictures whose pixels depend on the seed alone."""

    async def check(self, request: GenerationRequest, n: int) -> None:
        """There is always room."""

    async def generate(self, request: GenerationRequest) -> Generation:
        picture = make_picture(request.seed, request.width, request.height)
        return Generation(picture=picture, seed=request.seed, steps=request.steps)


class Critic:
    """Flags the pictures of the given seeds."""

    def __init__(self, *harmful_seeds: int) -> None:
        self.harmful = {make_picture(seed).sha256 for seed in harmful_seeds}

    async def judge(self, request: PictureRequest) -> PictureVerdict:
        flagged = request.output.sha256 in self.harmful
        return PictureVerdict(
            flagged=flagged,
            category="violence" if flagged else None,
            score=0.9 if flagged else 0.1,
            scores={},
            why="",
            sha256=request.output.sha256,
        )


@pytest.fixture
def serve(config, audit, readiness):
    def start(guard=None, classifier=None, policy=POLICY) -> httpx.AsyncClient:
        answers = {"a fight": BLOCK, "a lazy person": SOFTEN}
        walk = Walk(policy, guard or Guard(answers), Rewriter(), Painter(), classifier or Critic())
        transport = httpx.ASGITransport(create_app(walk, config, audit, readiness))
        return httpx.AsyncClient(transport=transport, base_url="http://safelight")

    return start


async def test_prompt_is_rewritten_drawn_and_delivered(serve):
    answer = await serve().post(URL, json={"prompt": "a lazy person", "n": 2})
    body = answer.json()
    assert answer.status_code == 200
    assert [item["revised_prompt"] for item in body["data"]] == ["a person relaxing"] * 2
    assert len(body["safety"]["tries"]) == 2


async def test_rewriting_switched_off_is_a_block(serve):
    answer = await serve().post(URL, json={"prompt": "a lazy person", "rewrite": "off"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "moderation_blocked")


async def test_block_names_its_category(serve):
    error = (await serve().post(URL, json={"prompt": "a fight"})).json()["error"]
    assert error["moderation_details"] == {"moderation_stage": "input", "categories": ["violence"]}


async def test_preview_agrees_with_the_walk(serve):
    body = (await serve().post("/v1/safety/preview", json={"prompt": "a fight"})).json()
    assert (body["action"], body["revised_prompt"]) == ("block", "a fight")


async def test_one_harmful_picture_is_withheld_and_the_others_are_delivered(serve):
    answer = await serve(classifier=Critic(8)).post(URL, json={"prompt": "x", "n": 3, "seed": 7})
    body = answer.json()
    assert len(body["data"]) == 2
    assert body["safety"]["refused"] == [1]


async def test_pictures_flagged_to_the_last_are_refused_with_every_try_named(serve):
    answer = await serve(classifier=Critic(7)).post(URL, json={"prompt": "x", "seed": 7})
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) == (400, "moderation_blocked")
    assert body["error"]["moderation_details"]["moderation_stage"] == "output"
    assert body["safety"]["decision"] == "refused"
    assert [attempt["strength"] for attempt in body["safety"]["tries"]] == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("stage", ["guard", "classifier"])
@pytest.mark.parametrize("fault", [Slow(), Broken(RuntimeError("a private prompt"))])
async def test_service_without_an_answer_lets_nothing_out(serve, stage, fault, caplog):
    http = serve(**{stage: fault}, policy=impatient(stage))
    answer = await http.post(URL, json={"prompt": "a private prompt"})
    body = answer.json()
    assert (answer.status_code, body["error"]["code"]) == (503, "safety_unavailable")
    assert body["safety"]["stages"][-1]["stage"] == stage
    assert "data" not in body
    assert "private" not in answer.text + caplog.text
