"""Pictures drawn together are the pictures drawn alone: the engine beside its slow, obvious twin.

The twin of a plain request is its unmodified diffusers pipeline; the twin of a steered one is the
sampler with no other request. In the engine the requests join one after the other, each with its
own steps, guidance, seed and prompt. They are not equal to the last bit, as sums over more rows may
be taken in another order; another row's timestep or text would make a difference of 1e-3 and more.
"""

import asyncio
import itertools
import time
from functools import partial

import numpy as np
import pytest
import torch
from diffusers import DiffusionPipeline

from deployments.contracts import GenerationRequest
from deployments.diffusion.config import ConceptSteering, DiffusionConfig, HeadSteering, Steering
from deployments.diffusion.engine.calls import Call
from deployments.diffusion.engine.engine import Engine
from deployments.diffusion.loading import load_pipeline, start_engine
from deployments.diffusion.sampling.sampler import Sampler
from evaluation.engine.batched import FAMILIES, UNSTEERABLE, together
from tests.diffusion import tiny
from tests.diffusion.tiny import SIZE, LinearHead, request

pytestmark = pytest.mark.slow
TOLERANCE = 1e-5
"""Of pixels in [0, 1], in float32; 2e-6 were seen."""
HALF_TOLERANCE = 2e-3
"""The same in float16, which has three digits; 3e-4 were seen."""
STEERING = Steering(
    head=HeadSteering(model="x", gates=False, start=0.4),
    concept=ConceptSteering(concepts={"violence": "blood"}),
)
STEER = {"steer": True, "strength": 1.0, "category": "violence"}
PROMPTS = ("a dog in a park", "a cat", "two men at a party with a red ball", "")
U_NETS = [tiny.stable_diffusion, tiny.stable_diffusion_xl]
TRANSFORMERS = [tiny.stable_diffusion_3, tiny.flux]


@pytest.fixture(scope="module")
def engine():
    config = DiffusionConfig(model="tiny", max_rows=64, max_backlog_seconds=1e6)
    engine = start_engine(Sampler(tiny.stable_diffusion()), config)
    yield engine
    engine.close()


def mixed(count: int, **changes) -> list[GenerationRequest]:
    """Requests of which no two are alike."""
    return [
        request(
            prompt=PROMPTS[place % 4],
            negative_prompt="a boat" if place % 5 == 2 else "",
            seed=place,
            steps=14 + 3 * place % 8,
            guidance_scale=(5.0, 1.0, 7.5)[place % 3],
            **changes,
        )
        for place in range(count)
    ]


def unwatched(pipeline, wanted: GenerationRequest, **options) -> np.ndarray:
    """The pixels by the pipeline's own call, nothing of ours near it."""
    return pipeline(
        wanted.prompt,
        negative_prompt=wanted.negative_prompt or None,
        num_inference_steps=wanted.steps,
        guidance_scale=wanted.guidance_scale,
        width=wanted.width,
        height=wanted.height,
        generator=torch.Generator().manual_seed(wanted.seed),
        output_type="np",
        **options,
    ).images[0]


def alone(sampler: Sampler, wanted: GenerationRequest) -> np.ndarray:
    return sampler.draw(wanted, Call.run).pixels


async def among_others(
    engine: Engine, samplers: list[Sampler], wanted: list[GenerationRequest]
) -> list[np.ndarray]:
    jobs = [
        (partial(sampler.draw, one), sampler.demand(one))
        for sampler, one in zip(samplers, wanted, strict=True)
    ]
    return [drawing.pixels for drawing in await together(engine, jobs)]


def furthest(drawn: list[np.ndarray], twins: list[np.ndarray]) -> float:
    return max(np.abs(one - twin).max() for one, twin in zip(drawn, twins, strict=True))


class Meetings:
    """How many timesteps the calls of a denoiser had: the requests at different steps in each."""

    def __init__(self, denoiser) -> None:
        self.most = 0
        denoiser.register_forward_pre_hook(self._note, with_kwargs=True)

    def _note(self, _, args, kwargs) -> None:
        times = kwargs["timestep"] if "timestep" in kwargs else args[1]
        self.most = max(self.most, len(times.unique()))


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("make", U_NETS)
async def test_requests_of_ten_schedulers_in_one_call_are_drawn_as_their_pipelines_do(
    engine, make, prediction_type
):
    models = make(prediction_type)
    pipelines = [tiny.with_scheduler(models, *family) for family in FAMILIES.values()]
    wanted = mixed(len(pipelines))
    twins = [unwatched(pipeline, one) for pipeline, one in zip(pipelines, wanted, strict=True)]
    meetings = Meetings(models.unet)
    drawn = await among_others(engine, [Sampler(pipeline) for pipeline in pipelines], wanted)
    apart = {
        family: furthest([one], [twin])
        for family, one, twin in zip(FAMILIES, drawn, twins, strict=True)
    }
    assert {family: by for family, by in apart.items() if by > TOLERANCE} == {}
    assert meetings.most > 2


@pytest.mark.parametrize("make", TRANSFORMERS)
async def test_transformers_draw_each_row_at_its_own_time_as_their_pipelines_do(engine, make):
    pipeline, wanted = make(), mixed(4)
    options = {"true_cfg_scale": 4.0} if make is tiny.flux else {}
    twins = [unwatched(pipeline, one, **(options if one.negative_prompt else {})) for one in wanted]
    meetings = Meetings(pipeline.transformer)
    drawn = await among_others(engine, [Sampler(pipeline)] * len(wanted), wanted)
    assert furthest(drawn, twins) <= TOLERANCE
    assert meetings.most > 2


@pytest.mark.parametrize("make", U_NETS)
async def test_steered_and_plain_requests_of_all_steerable_schedulers_share_calls(engine, make):
    models = make()
    samplers = [
        Sampler(tiny.with_scheduler(models, *FAMILIES[family]), STEERING, LinearHead())
        for family in FAMILIES
        if family not in UNSTEERABLE
    ]
    samplers = [sampler for sampler in samplers for _ in range(2)]
    wanted = mixed(len(samplers))
    wanted[::2] = [one.model_copy(update=STEER) for one in wanted[::2]]
    twins = [alone(sampler, one) for sampler, one in zip(samplers, wanted, strict=True)]
    drawn = await among_others(engine, samplers, wanted)
    assert furthest(drawn, twins) <= TOLERANCE


@pytest.mark.parametrize("make", TRANSFORMERS)
async def test_a_transformer_steers_one_row_and_leaves_the_others(engine, make):
    sampler, wanted = Sampler(make(), STEERING, LinearHead()), mixed(4)
    wanted[1] = wanted[1].model_copy(update=STEER)
    twins = [alone(sampler, one) for one in wanted]
    drawn = await among_others(engine, [sampler] * len(wanted), wanted)
    assert furthest(drawn, twins) <= TOLERANCE


@pytest.mark.parametrize(
    "other", [{"prompt": "dog " * 20}, {"width": 2 * SIZE}, {"width": 2 * SIZE, "height": 2 * SIZE}]
)
@pytest.mark.parametrize("make", [*U_NETS, tiny.stable_diffusion_3])
async def test_texts_and_pictures_of_another_size_change_nothing_beside_them(engine, make, other):
    sampler, wanted = Sampler(make()), mixed(4)
    wanted[::2] = [one.model_copy(update=other) for one in wanted[::2]]
    twins = [alone(sampler, one) for one in wanted]
    drawn = await among_others(engine, [sampler] * len(wanted), wanted)
    assert furthest(drawn, twins) <= TOLERANCE


async def test_a_request_that_is_called_off_changes_nothing_for_those_beside_it(engine):
    sampler, wanted = Sampler(tiny.stable_diffusion()), mixed(4)
    lost, loop, asked = request(steps=200), asyncio.get_running_loop(), itertools.count(1)
    twins = [alone(sampler, one) for one in wanted]
    cancelled = engine.counters.cancelled

    def called_off(ask):
        def asking(call: Call):
            if next(asked) == 15:
                loop.call_soon_threadsafe(task.cancel)
            return ask(call)

        return sampler.draw(lost, asking)

    task = asyncio.create_task(engine.run(called_off, sampler.demand(lost)))
    drawn = await among_others(engine, [sampler] * len(wanted), wanted)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.counters.cancelled == cancelled + 1
    assert next(asked) < lost.steps
    assert furthest(drawn, twins) <= TOLERANCE


async def test_an_autoencoder_that_needs_float32_stays_so_while_pictures_are_drawn(
    engine, tmp_path
):
    tiny.stable_diffusion_xl().save_pretrained(tmp_path)
    own = tiny.quiet(DiffusionPipeline.from_pretrained(tmp_path, dtype=torch.float16))
    assert own.vae.config.force_upcast  # diffusers turns it to float32 and back for each picture
    wanted = mixed(4)
    twins = [unwatched(own, one) for one in wanted]
    pipeline = load_pipeline(DiffusionConfig(model=str(tmp_path), dtype="float16"))
    assert (pipeline.unet.dtype, pipeline.vae.dtype) == (torch.float16, torch.float32)
    drawn = await among_others(engine, [Sampler(pipeline)] * len(wanted), wanted)
    assert furthest(drawn, twins) <= HALF_TOLERANCE
    assert pipeline.vae.dtype == torch.float32


async def test_decoder_calls_of_different_requests_meet(engine):
    sampler, rows = Sampler(tiny.stable_diffusion()), []
    decode = sampler.pipeline.vae.decode

    def counted(latents, *args, **kwargs):
        rows.append(len(latents))
        return decode(latents, *args, **kwargs)

    sampler.pipeline.vae.decode = counted
    requests = [request(seed=seed) for seed in range(4)]
    drawn = await asyncio.gather(
        *(engine.run(partial(sampler.draw, one), sampler.demand(one)) for one in requests)
    )
    assert sum(rows) == 4
    assert max(rows) > 1
    assert len({one.developed().picture.sha256 for one in drawn}) == 4


async def test_a_pipeline_whose_denoiser_is_unknown_takes_its_turns_step_by_step(monkeypatch):
    monkeypatch.setattr(
        "deployments.diffusion.sampling.sampler.denoiser_name", lambda pipeline: None
    )
    sampler = Sampler(tiny.stable_diffusion())
    config = DiffusionConfig(model="tiny", max_backlog_seconds=1e6)
    engine = await asyncio.to_thread(start_engine, sampler, config)
    requests = [request(seed=seed, steps=6) for seed in range(3)]
    drawn = await asyncio.gather(
        *(engine.run(partial(sampler.draw, one), sampler.demand(one)) for one in requests)
    )
    assert engine.counters.calls == 18
    assert [one.developed().picture for one in drawn] == [
        sampler.sample(one).picture for one in requests
    ]
    task = asyncio.create_task(
        engine.run(partial(sampler.draw, request(steps=200)), sampler.demand(request(steps=200)))
    )
    await asyncio.to_thread(_until, lambda: engine.counters.calls >= 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.counters.calls < 200
    engine.close()


def _until(true) -> None:
    while not true():
        time.sleep(0.01)
