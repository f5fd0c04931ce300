"""Editing by instruction and painting within a mask, through the same engine."""

from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from deployments import pictures
from deployments.contracts import GenerationRequest, Picture
from deployments.diffusion.config import ConceptSteering, DiffusionConfig, HeadSteering, Steering
from deployments.diffusion.engine.calls import Call
from deployments.diffusion.loading import start_engine
from deployments.diffusion.sampling.samplers import Samplers
from deployments.errors import RequestError
from tests.diffusion import tiny
from tests.diffusion.sampling.test_batched import TOLERANCE, alone, among_others, furthest
from tests.diffusion.tiny import SIZE, LinearHead, request

STEERING = Steering(head=HeadSteering(model="x"), concept=ConceptSteering(concepts={}))


def noise(seed: int = 0) -> Picture:
    rng = np.random.default_rng(seed)
    return pictures.from_array(rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8))


def left_half() -> Picture:
    mask = np.zeros((SIZE, SIZE, 3), np.uint8)
    mask[:, : SIZE // 2] = 255
    return pictures.from_array(mask)


def edit(**changes) -> GenerationRequest:
    return request(prompt="make it blue", image=noise(), **changes)


@pytest.fixture(scope="module")
def samplers() -> Samplers:
    pipelines = tiny.stable_diffusion(), tiny.instruct_pix2pix()
    return Samplers(*pipelines, STEERING, LinearHead())


def draw(samplers: Samplers, wanted: GenerationRequest) -> np.ndarray:
    return pictures.to_array(samplers.of(wanted).sample(wanted).picture)


def rows_of(samplers: Samplers, wanted: GenerationRequest) -> list[int]:
    calls: list[Call] = []

    def ask(call: Call):
        calls.append(call)
        return call.run()

    samplers.of(wanted).draw(wanted, ask)
    return [call.rows for call in calls if "encoder_hidden_states" in call.kwargs]


# By instruction


def test_an_edit_is_what_its_pipeline_gives():
    pipeline = tiny.instruct_pix2pix()
    image = pipeline(
        "make it blue",
        image=Image.fromarray(pictures.to_array(noise())),
        num_inference_steps=4,
        guidance_scale=5.0,
        image_guidance_scale=1.5,
        generator=torch.Generator().manual_seed(7),
    ).images[0]
    drawn = draw(Samplers(tiny.stable_diffusion(), pipeline), edit())
    assert (drawn == np.asarray(image)).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [{"image": noise(1)}, {"image_guidance_scale": 3.0}, {"seed": 8}]
)
def test_picture_scale_and_seed_make_a_difference(samplers, change):
    other = GenerationRequest.model_validate(edit().model_dump() | change)
    assert (draw(samplers, edit()) != draw(samplers, other)).any()


def test_a_guided_edit_has_three_rows_and_its_demand_says_so(samplers):
    assert rows_of(samplers, edit(steps=2)) == [3, 3]
    assert samplers.of(edit()).demand(edit()).rows == 3
    plain = edit(steps=2, guidance_scale=1.0)
    assert rows_of(samplers, plain) == [1, 1]
    assert samplers.of(plain).demand(plain).rows == 1


def test_the_safety_branch_is_contrasted_with_the_row_of_the_prompt(samplers):
    calls: list[Call] = []

    def ask(call: Call):
        calls.append(call)
        return call.run()

    wanted = edit(steps=1, steer=True, strength=1.0, category="violence")
    samplers.of(wanted).draw(wanted, ask)
    (call,) = (call for call in calls if "encoder_hidden_states" in call.kwargs)
    assert call.rows == 4
    seen = call.args[0][:, 4:]  # the picture's latent, which the row of nothing does not get
    assert torch.equal(seen[3], seen[0])
    assert not seen[2].any()


@pytest.mark.slow
async def test_edits_and_pictures_from_text_are_drawn_side_by_side_as_alone(samplers):
    wanted = [
        request(seed=1, steps=9),
        edit(seed=2, steps=12),
        edit(seed=3, steps=7, guidance_scale=2.0, image_guidance_scale=2.5),
        request(seed=4, steps=8, image=noise(2), mask=left_half()),
        edit(seed=5, steps=10, steer=True, strength=1.0, category="hate"),
    ]
    own = [samplers.of(one) for one in wanted]
    twins = [alone(sampler, one) for sampler, one in zip(own, wanted, strict=True)]
    config = DiffusionConfig(model="tiny", max_rows=64, max_backlog_seconds=1e6)
    engine = start_engine(samplers.text_to_image, config)
    try:
        drawn = await among_others(engine, own, wanted)
    finally:
        engine.close()
    assert furthest(drawn, twins) <= TOLERANCE


# Within a mask


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        tiny.stable_diffusion,
        tiny.stable_diffusion_xl,
        partial(tiny.stable_diffusion_3, channels=16),  # diffusers knows no other for this
        tiny.flux,
    ],
)
def test_what_lies_outside_the_mask_stays_to_the_last_bit(make):
    wanted = request(image=noise(), mask=left_half())
    drawn, before = draw(Samplers(make()), wanted), pictures.to_array(noise())
    half = SIZE // 2
    assert (drawn[:, half:] == before[:, half:]).all()
    assert (drawn[:, :half] != before[:, :half]).mean() > 0.9


def test_painting_within_a_mask_shares_the_model_of_text_to_image(samplers):
    wanted = request(image=noise(), mask=left_half())
    models = set()
    for one in (request(), wanted):

        def ask(call: Call):
            if "encoder_hidden_states" in call.kwargs:
                models.add(id(call.model))
            return call.run()

        samplers.of(one).draw(one, ask)
    assert len(models) == 1


# What cannot be


def test_a_model_that_edits_nothing_says_so():
    with pytest.raises(RequestError, match="by an instruction"):
        Samplers(tiny.stable_diffusion()).of(edit())


def test_a_mask_needs_a_picture_and_both_the_size():
    with pytest.raises(ValueError, match="needs an image"):
        request(mask=left_half())
    with pytest.raises(ValueError, match="16x16"):
        request(width=32, image=noise())
