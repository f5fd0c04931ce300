import inspect

import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    HeunDiscreteScheduler,
    PNDMScheduler,
)

from deployments.diffusion.config import ConceptSteering, HeadSteering, Steering
from deployments.diffusion.engine.calls import Call
from deployments.diffusion.sampling.denoiser import Denoiser, denoiser_name
from deployments.diffusion.sampling.sampler import Sampler
from deployments.errors import Cancelled, ConfigurationError, RequestError, StageFailed
from deployments.pictures import from_image
from tests.diffusion import tiny
from tests.diffusion.tiny import LinearHead, request

FAMILIES = [
    tiny.stable_diffusion,
    tiny.stable_diffusion_xl,
    tiny.stable_diffusion_3,
    tiny.flux,
]
CONCEPT = ConceptSteering(concepts={"violence": "blood"})
HEAD = HeadSteering(model="x", target=0.05)
STEER = {"steer": True, "strength": 1.0, "category": "violence"}


@pytest.fixture(scope="module")
def plain() -> Sampler:
    return Sampler(tiny.stable_diffusion())


def steered(make=tiny.stable_diffusion, *, bias: float = 2.0, **steering) -> Sampler:
    head = LinearHead(bias) if "head" in steering else None
    return Sampler(make(), Steering(**steering), head)


def sha(sampler: Sampler, **changes) -> str:
    return sampler.sample(request(**changes)).picture.sha256


def denoiser_of(pipeline):
    return getattr(pipeline, denoiser_name(pipeline))


class Heard:
    """Runs calls and keeps them; in place of call number `off_at` it calls the generation off."""

    def __init__(self, off_at: int | None = None) -> None:
        self.calls: list[Call] = []
        self._off_at = off_at

    def __call__(self, call: Call):
        self.calls.append(call)
        if len(self.calls) == self._off_at:
            raise Cancelled("called off")
        return call.run()


def rows_of(sampler: Sampler, **changes) -> list[int]:
    """Rows of each denoiser call of a generation in three steps."""
    heard = Heard()
    sampler.draw(request(steps=3, **changes), heard)
    texts = [call.kwargs.get("encoder_hidden_states") for call in heard.calls]
    return [len(text) for text in texts if text is not None]


# One call, whatever the family


@pytest.mark.slow
@pytest.mark.parametrize("make", FAMILIES)
def test_a_picture_of_the_asked_size_comes_out_with_its_counts(make):
    generation = Sampler(make()).sample(request(steps=3))
    assert (generation.picture.width, generation.picture.height) == (tiny.SIZE, tiny.SIZE)
    assert generation.steps == 3
    assert generation.prompt_tokens == 5
    assert generation.latent_positions == (16 if make is tiny.flux else 64)
    assert (generation.turned_at_step, generation.score_before) == (None, None)


@pytest.mark.slow
@pytest.mark.parametrize("make", FAMILIES)
def test_work_stops_at_the_call_in_which_it_is_called_off(make):
    pipeline, calls, heard = make(), [], Heard(off_at=3)
    denoiser_of(pipeline).register_forward_hook(lambda *_: calls.append(1))
    with pytest.raises(Cancelled):
        Sampler(pipeline).draw(request(steps=20), heard)
    assert (len(calls), len(heard.calls)) == (2, 3)


@pytest.mark.slow
@pytest.mark.parametrize("make", FAMILIES)
def test_the_same_pixels_as_the_unwatched_pipeline(make):
    pipeline = make()
    image = pipeline(
        "a dog in a park",
        num_inference_steps=4,
        guidance_scale=5.0,
        generator=torch.Generator().manual_seed(7),
        height=tiny.SIZE,
        width=tiny.SIZE,
    ).images[0]
    assert sha(Sampler(pipeline)) == from_image(image).sha256


@pytest.mark.slow
def test_same_seed_same_picture_whatever_ran_before():
    sampler = steered(head=HEAD, concept=CONCEPT)
    alone = sha(sampler)
    sha(sampler, seed=8, prompt="dog " * 40, steps=6)
    sha(sampler, steer=True, strength=2.0, category="violence")
    with pytest.raises(Cancelled):
        sampler.draw(request(), Heard(off_at=2))
    assert sha(sampler) == alone
    assert sha(sampler, seed=8) != alone


@pytest.mark.slow
@pytest.mark.parametrize("family", [DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler])
def test_multistep_and_stochastic_schedulers_carry_nothing_over(family):
    pipeline = tiny.stable_diffusion()
    pipeline.scheduler = family.from_config(pipeline.scheduler.config)
    sampler = Sampler(pipeline)
    assert sha(sampler) == sha(sampler)


def test_every_call_of_a_second_order_scheduler_is_counted():
    pipeline = tiny.stable_diffusion()
    pipeline.scheduler = HeunDiscreteScheduler.from_config(pipeline.scheduler.config)
    assert Sampler(pipeline).sample(request(steps=4)).steps == 7


@pytest.mark.slow
@pytest.mark.parametrize("make", FAMILIES)
def test_the_pipeline_is_left_as_it_was_after_success_cancelling_and_failure(make):
    pipeline = make()
    before, sampler = dict(vars(pipeline)), Sampler(pipeline)
    sha(sampler)
    with pytest.raises(Cancelled):
        sampler.draw(request(), Heard(off_at=2))
    denoiser_of(pipeline).register_forward_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        sha(sampler)
    after = vars(pipeline)
    assert after.keys() == before.keys()
    assert all(after[name] is before[name] for name in before)
    assert inspect.ismethod(pipeline.scheduler.step)


# Text


def test_every_word_of_a_long_prompt_reaches_the_picture(plain):
    start = "dog " * 50
    assert sha(plain, prompt=start + "cat") != sha(plain, prompt=start + "bird")


def test_a_prompt_beyond_four_windows_is_refused(plain):
    with pytest.raises(RequestError) as refusal:
        sha(plain, prompt="dog " * 57)
    assert (refusal.value.code, refusal.value.param) == ("prompt_too_long", "prompt")


@pytest.mark.slow
@pytest.mark.parametrize("make", FAMILIES)
def test_a_negative_prompt_changes_the_picture_at_any_length(make):
    sampler = Sampler(make())
    pictures = {sha(sampler, negative_prompt=text) for text in ("", "a cat", "cat " * 40)}
    assert len(pictures) == 3


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0])
def test_a_guidance_scale_of_one_or_less_draws_the_prompt_alone(plain, scale):
    assert sha(plain, guidance_scale=scale) == sha(plain, guidance_scale=1.0)


def test_a_size_that_the_model_cannot_make_is_refused(plain):
    with pytest.raises(RequestError, match="multiples of 2"):
        sha(plain, width=17)


def test_a_picture_of_no_numbers_is_a_failure_not_a_black_square():
    pipeline = tiny.stable_diffusion()
    with torch.no_grad():
        pipeline.unet.conv_out.bias.fill_(float("nan"))
    with pytest.raises(StageFailed, match="no numbers"):
        sha(Sampler(pipeline))


# Steering


@pytest.mark.slow
@pytest.mark.parametrize("make", FAMILIES)
def test_the_head_turns_the_picture_from_the_first_step(make):
    sampler = steered(make, head=HEAD)
    changes = {"category": "violence", "guidance_scale": 5.0}
    unsteered = sha(sampler, **changes)
    generation = sampler.sample(request(steer=True, strength=1.0, **changes))
    assert generation.turned_at_step == 0
    assert generation.score_before > HEAD.target
    assert generation.picture.sha256 != unsteered


def test_the_finished_latent_scores_what_the_head_was_asked_for():
    pipeline, latents = tiny.stable_diffusion(), []
    pipeline.vae.post_quant_conv.register_forward_hook(lambda _, args, __: latents.append(args[0]))
    free = HeadSteering(model="x", target=0.1, max_shift=10.0)
    sampler = Sampler(pipeline, Steering(head=free), LinearHead())
    sha(sampler)
    sha(sampler, **STEER)
    unsteered, steered = (
        LinearHead()(
            latent * pipeline.vae.config.scaling_factor, torch.zeros(1), torch.zeros(1, 1)
        )[0, 0].sigmoid()
        for latent in latents
    )
    assert unsteered > 0.5
    assert steered.item() == pytest.approx(0.1, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("make", FAMILIES)
def test_concept_guidance_turns_the_picture_in_every_family(make):
    sampler = steered(make, concept=CONCEPT)
    changes = {"steer": True, "strength": 1.0}
    named = sampler.sample(request(category="violence", **changes))
    other = sampler.sample(request(category="weapons", **changes))
    assert (named.turned_at_step, named.score_before) == (0, None)
    assert len({named.picture.sha256, other.picture.sha256, sha(sampler)}) == 3


def test_concept_guidance_asks_for_one_more_row_in_the_same_call():
    sampler = steered(concept=CONCEPT)
    assert rows_of(sampler) == [2] * 3
    assert rows_of(sampler, **STEER) == [3] * 3
    assert rows_of(sampler, **STEER, guidance_scale=1.0) == [2] * 3


def test_a_concept_that_makes_the_text_longer_is_a_call_of_its_own():
    full = "dog " * (tiny.WINDOW - 3)
    assert rows_of(steered(concept=CONCEPT), prompt=full, **STEER) == [2, 1] * 3


def test_where_guidance_takes_two_calls_the_concept_is_beside_the_prompt():
    sampler = steered(tiny.flux, concept=CONCEPT)
    assert rows_of(sampler, **STEER) == [2] * 3
    assert rows_of(sampler, **STEER, negative_prompt="a cat") == [2, 1] * 3


def test_no_row_is_asked_outside_the_window_of_concept_guidance():
    late = ConceptSteering(concepts={"violence": "blood"}, start=0.5)
    assert rows_of(steered(concept=late), **STEER) == [2, 2, 3]


@pytest.mark.slow
@pytest.mark.parametrize("make", FAMILIES)
def test_the_branch_asked_with_the_prompt_itself_answers_as_the_prompt_did(make):
    sampler, heard = Sampler(make()), Heard()
    sampler.draw(request(prompt="a dog", steps=2), heard)
    call = heard.calls[0]
    denoiser = Denoiser(call.model, Call.run, lane=None)
    with torch.no_grad():
        for text, same in (("a dog", True), ("a cat", False)):
            denoiser.begin_step(sampler.text.encode([text], 1))
            denoiser(*call.args, **call.kwargs)
            assert torch.allclose(*denoiser.contrast, atol=1e-5) == same


def test_a_branch_that_the_pipeline_never_asked_for_is_a_failure():
    denoiser = Denoiser(None, Call.run, lane=None)
    assert denoiser.contrast is None
    denoiser.begin_step(Sampler(tiny.stable_diffusion()).text.encode(["a dog"], 1))
    with pytest.raises(StageFailed, match="no answer"):
        _ = denoiser.contrast


@pytest.mark.slow
def test_a_head_with_an_empty_window_only_says_when_the_concept_branch_stops():
    gate = HeadSteering(model="x", target=0.5, start=0.0, stop=0.0)
    satisfied = steered(head=gate, concept=CONCEPT, bias=-30.0)
    assert sha(satisfied, **STEER) == sha(satisfied)
    assert sha(steered(head=gate, concept=CONCEPT, bias=30.0), **STEER) != sha(satisfied)


@pytest.mark.slow
def test_a_head_that_gates_nothing_lets_the_concept_branch_act_though_it_sees_no_harm():
    open_gate = HeadSteering(model="x", target=0.5, gates=False)
    blind = steered(head=open_gate, concept=CONCEPT, bias=-30.0)
    assert sha(blind, **STEER) == sha(steered(concept=CONCEPT), **STEER)
    assert sha(blind, **STEER) != sha(blind)


def test_a_clean_trajectory_is_left_exactly_as_it_is():
    sampler = steered(head=HEAD, bias=-30.0)
    generation = sampler.sample(request(steer=True, strength=2.0))
    assert generation.turned_at_step is None
    assert generation.picture.sha256 == sha(sampler)


def test_a_prompt_that_fills_all_windows_can_still_be_steered_by_concept():
    sampler = steered(concept=CONCEPT)
    assert sha(sampler, prompt="dog " * 56, steer=True, strength=1.0)


def test_steering_that_is_not_configured_is_a_failure_not_a_plain_picture(plain):
    with pytest.raises(AssertionError):
        sha(plain, steer=True, strength=1.0)


def test_steering_with_a_scheduler_that_it_does_not_know_is_refused_at_the_start():
    pipeline = tiny.stable_diffusion()
    pipeline.scheduler = PNDMScheduler.from_config(pipeline.scheduler.config)
    with pytest.raises(ConfigurationError, match="PNDMScheduler cannot be steered"):
        Sampler(pipeline, Steering(concept=CONCEPT))


def test_a_configured_head_that_is_missing_is_refused_at_the_start():
    with pytest.raises(ConfigurationError, match="give the head"):
        Sampler(tiny.stable_diffusion(), Steering(head=HEAD), None)
