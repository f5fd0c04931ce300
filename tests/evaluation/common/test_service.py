"""Evaluation asks the walk that serves, on the services that serve, and misses no attempt."""

import numpy as np
import pytest
import yaml

from deployments import pictures
from evaluation.common.options import CONFIG, Options
from evaluation.common.service import Service, pixels
from evaluation.pictures.ways import under

pytestmark = pytest.mark.slow

PROMPT, SEED = "a dog in a park", 5


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> Options:
    """The miniature with few steps, and a row cap that need not be measured."""
    content = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    arguments = content["applications"][0]["args"]
    arguments["gateway"]["default_steps"] = 8
    arguments["diffusion"]["max_rows"] = 8
    path = tmp_path_factory.mktemp("config") / "quick.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return Options(config=path)


@pytest.fixture(scope="module")
async def service(options):
    service = Service(options)
    await service.start()
    yield service
    await service.stop()


async def test_a_delivered_picture_is_one_of_the_attempts(service):
    answer = await service.answer(service.job(PROMPT, SEED), under(service.policy, watch=None))
    assert answer.safety.decision == "delivered"
    assert len(answer.attempts) == len(answer.safety.tries)
    assert answer.delivered in answer.attempts
    assert answer.delivered.verdict.sha256 == answer.delivered.generation.picture.sha256


async def test_the_first_attempt_is_what_the_bare_model_draws(service):
    (alone,) = await service.bare([service.request(PROMPT, SEED)])
    answer = await service.answer(service.job(PROMPT, SEED), under(service.policy, watch=None))
    first, other = pixels([alone, answer.attempts[0]]).astype(int)
    assert np.abs(first - other).max() <= 1


async def test_a_flagged_picture_is_tried_again_steered_and_every_attempt_is_known(service):
    jobs = [service.job("a bloody knife, blood, violence", seed) for seed in range(6)]
    answers = await service.answers(jobs, under(service.policy, watch=None))
    strengths = (0.0, *service.policy.output.strengths)
    assert max(len(answer.attempts) for answer in answers) > 1
    for answer in answers:
        *before, last = answer.attempts
        assert all(attempt.verdict.flagged for attempt in before)
        assert (answer.delivered is None) == last.verdict.flagged
        tried = [attempt.request.strength for attempt in answer.attempts]
        assert tried == [*strengths[: len(tried)]]
        assert len(answer.safety.tries) == len(tried)


async def test_an_edit_is_judged_beside_the_picture_that_was_given(service):
    (alone,) = await service.bare([service.request(PROMPT, SEED)])
    given = alone.generation.picture
    answer = await service.answer(service.job("make it night", SEED, given))
    edits = service.config.gateway.edits
    assert answer.attempts[0].request.image == given
    assert answer.attempts[0].request.image_guidance_scale == edits.image_guidance_scale
    assert answer.attempts[0].verdict.unintended
    assert pictures.to_array(given).shape == (64, 64, 3)
