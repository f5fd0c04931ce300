"""The steered turn in multistep schedulers: it goes as far as DDIM's, and no further."""

import copy

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSinglestepScheduler,
    EulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from deployments.diffusion.history import forget_history
from deployments.diffusion.prediction import affine

STEPS, TURN = 12, 6
SHIFT = 0.01
FAMILIES = {
    "DPM++ 2M": (DPMSolverMultistepScheduler, {}),
    "DPM++ 3M": (DPMSolverMultistepScheduler, {"solver_order": 3}),
    "SDE-DPM++": (DPMSolverMultistepScheduler, {"algorithm_type": "sde-dpmsolver++"}),
    "DPM++ singlestep": (DPMSolverSinglestepScheduler, {}),
    "UniPC": (UniPCMultistepScheduler, {}),
    "Euler": (EulerDiscreteScheduler, {}),
    "DDIM": (DDIMScheduler, {"clip_sample": False}),
}


def denoiser(sample: torch.Tensor) -> torch.Tensor:
    """Some smooth model output."""
    return 0.3 * sample + 0.1 * sample.sin()


def at_the_turn(name: str):
    """A scheduler in mid-schedule, the sample there, and the timestep of its next step."""
    family, options = FAMILIES[name]
    scheduler = family(beta_schedule="scaled_linear", prediction_type="v_prediction", **options)
    scheduler.set_timesteps(STEPS)
    sample = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    sample = sample * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps[:TURN]:
        sample = stepped(scheduler, timestep, sample)
    return scheduler, sample, scheduler.timesteps[TURN]


def stepped(scheduler, timestep, sample, shift: float = 0.0) -> torch.Tensor:
    """The next sample, where the clean latent is moved by `shift` in every place."""
    output = denoiser(scheduler.scale_model_input(sample, timestep))
    output = affine(scheduler, timestep).moved(output, torch.full_like(output, shift))
    noise = {"generator": torch.Generator().manual_seed(1)}
    if isinstance(scheduler, DPMSolverSinglestepScheduler | UniPCMultistepScheduler):
        noise = {}
    return scheduler.step(output, timestep, sample, **noise).prev_sample


def move(name: str, *, forget: bool) -> float:
    """How far the turn moves the next sample, per unit of the clean latent's move."""
    scheduler, sample, timestep = at_the_turn(name)
    ends = []
    for shift in (0.0, SHIFT):
        own = copy.deepcopy(scheduler)
        if forget:
            forget_history(own)
        ends.append(stepped(own, timestep, sample, shift))
    difference = (ends[1] - ends[0]) / SHIFT
    assert difference.std() < 1e-2 * difference.mean().abs()
    return difference.mean().item()


def first_order(name: str) -> float:
    """DDIM's move between the noise levels of this scheduler's step."""
    scheduler, _, timestep = at_the_turn(name)
    if isinstance(scheduler, DDIMScheduler):
        ahead = int(scheduler.timesteps[TURN + 1])
        products = scheduler.alphas_cumprod[[int(timestep), ahead]]
        alphas, sigmas = products.sqrt(), (1 - products).sqrt()
    else:
        levels = scheduler.sigmas[TURN : TURN + 2]
        alphas = (levels**2 + 1) ** -0.5
        sigmas = levels * alphas
    moved = alphas[1] - sigmas[1] * alphas[0] / sigmas[0]
    if isinstance(scheduler, EulerDiscreteScheduler):
        moved = moved / alphas[1]  # its samples are not scaled down
    return moved.item()


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "SDE-DPM++"])
def test_the_turn_moves_the_sample_as_ddim_does(name):
    assert move(name, forget=True) == pytest.approx(first_order(name), rel=2e-2)


def test_the_stochastic_solver_moves_it_as_its_own_first_order_does():
    first = DPMSolverMultistepScheduler(
        beta_schedule="scaled_linear", prediction_type="v_prediction",
        algorithm_type="sde-dpmsolver++", solver_order=1,
    )  # fmt: skip
    scheduler, sample, timestep = at_the_turn("SDE-DPM++")
    first.set_timesteps(STEPS)
    first._step_index = scheduler._step_index
    ends = [stepped(copy.deepcopy(first), timestep, sample, shift) for shift in (0.0, SHIFT)]
    expected = ((ends[1] - ends[0]) / SHIFT).mean().item()
    assert move("SDE-DPM++", forget=True) == pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize(("name", "least"), [("DPM++ 2M", 1.2), ("UniPC", 1.4)])
def test_with_their_history_these_overshoot(name, least):
    assert move(name, forget=False) > least * move(name, forget=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_step_after_the_turn_uses_history_again(name):
    scheduler, sample, timestep = at_the_turn(name)
    forget_history(scheduler)
    sample = stepped(scheduler, timestep, sample)
    again, fresh = copy.deepcopy(scheduler), copy.deepcopy(scheduler)
    forget_history(fresh)
    ahead = scheduler.timesteps[TURN + 1]
    same = torch.equal(stepped(again, ahead, sample), stepped(fresh, ahead, sample))
    assert same == (name in ("Euler", "DDIM"))
