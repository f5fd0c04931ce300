"""The affine map against each scheduler's own idea of the clean latent."""

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSinglestepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from deployments.diffusion.steering.prediction import affine, check_steerable
from deployments.errors import ConfigurationError

PREDICTED = [
    DDIMScheduler,
    DDPMScheduler,
    EulerDiscreteScheduler,
    EulerAncestralDiscreteScheduler,
]
REMEMBERED = [DPMSolverMultistepScheduler, DPMSolverSinglestepScheduler, UniPCMultistepScheduler]
STEPS = 10


def own_clean_latent(scheduler, output, timestep, sample):
    """One real step; what the scheduler took for the clean latent, and the next noisy one."""
    index = scheduler.step_index if hasattr(scheduler, "step_index") else None
    result = scheduler.step(output, timestep, sample)
    if isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        # The scheduler moves along one straight line, whose end is the clean latent.
        here, there = scheduler.sigmas[index or 0], scheduler.sigmas[(index or 0) + 1]
        return sample - here * (result.prev_sample - sample) / (there - here), result.prev_sample
    if isinstance(scheduler, tuple(REMEMBERED)):
        kept = [value for value in scheduler.model_outputs if value is not None]
        return kept[-1], result.prev_sample
    return result.pred_original_sample, result.prev_sample


def unclipped(family, prediction_type):
    clips = {"clip_sample": False} if family in (DDIMScheduler, DDPMScheduler) else {}
    return family(prediction_type=prediction_type, **clips)


CASES = [
    pytest.param(unclipped(family, kind), id=f"{family.__name__}-{kind}")
    for family in PREDICTED + REMEMBERED
    for kind in ("epsilon", "v_prediction")
] + [pytest.param(FlowMatchEulerDiscreteScheduler(), id="FlowMatchEulerDiscreteScheduler")]


@pytest.mark.parametrize("scheduler", CASES)
def test_a_moved_output_moves_the_schedulers_own_clean_latent_by_exactly_that(scheduler):
    generator = torch.Generator().manual_seed(1)

    def noise(scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(1, 4, 8, 8, generator=generator)

    scheduler.set_timesteps(STEPS)
    sample = noise(float(getattr(scheduler, "init_noise_sigma", 1.0)))
    for timestep in scheduler.timesteps:
        map_ = affine(scheduler, timestep)
        output, shift = noise(), noise(0.3)
        expected = map_.clean(sample, output) + shift
        moved = map_.moved(output, shift)
        clean, sample = own_clean_latent(scheduler, moved, timestep, sample)
        assert torch.allclose(clean, expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize("scheduler", CASES)
def test_these_schedulers_are_accepted(scheduler):
    check_steerable(scheduler)


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        (PNDMScheduler(), "DPMSolverMultistepScheduler"),
        (DDIMScheduler(clip_sample=True), "'clip_sample'"),
        (DPMSolverMultistepScheduler(thresholding=True), "'thresholding'"),
    ],
)
def test_a_scheduler_that_would_undo_steering_is_refused_with_advice(scheduler, said):
    with pytest.raises(ConfigurationError, match=said):
        check_steerable(scheduler)
