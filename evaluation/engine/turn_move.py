"""How far a turn in mid-schedule moves the next sample, in any scheduler, beside DDIM's step.

A steerer moves the clean latent, and the scheduler's step carries that on to the next sample. A
step of first order carries on what DDIM's does; one that extrapolates from earlier clean latents
more (deployments/diffusion/steering/history.py).
"""

import copy
from collections.abc import Mapping
from typing import Any

import diffusers
import torch
from torch import Tensor

from deployments.diffusion.steering.history import forget_history
from deployments.diffusion.steering.prediction import affine

STEPS, TURN = 12, 6
SHIFT = 0.01
"""How far the clean latent is moved, in every place."""


def move(family: str, options: Mapping[str, Any], *, forget: bool) -> float:
    """How far the turn moves the next sample, per unit of the clean latent's move.

    Args:
        family: a diffusers scheduler class.
        options: of its configuration.
        forget: whether the scheduler forgets its history at the turn, as it does when serving.
    """
    scheduler, sample, timestep = at_the_turn(family, options)
    ends = []
    for shift in (0.0, SHIFT):
        own = copy.deepcopy(scheduler)
        if forget:
            forget_history(own)
        ends.append(stepped(own, timestep, sample, shift))
    return float(((ends[1] - ends[0]) / SHIFT).mean())


def first_order(family: str, options: Mapping[str, Any]) -> float:
    """DDIM's move between the noise levels of the same scheduler's step."""
    scheduler, _, timestep = at_the_turn(family, options)
    if hasattr(scheduler, "sigmas"):
        levels = scheduler.sigmas[TURN : TURN + 2]
        alphas = (levels**2 + 1) ** -0.5
        sigmas = levels * alphas
    else:
        ahead = int(scheduler.timesteps[TURN + 1])
        products = scheduler.alphas_cumprod[[int(timestep), ahead]]
        alphas, sigmas = products.sqrt(), (1 - products).sqrt()
    moved = alphas[1] - sigmas[1] * alphas[0] / sigmas[0]
    if scheduler.init_noise_sigma > 1:
        moved = moved / alphas[1]  # its samples are not scaled down
    return float(moved)


def at_the_turn(family: str, options: Mapping[str, Any]) -> tuple[Any, Tensor, Tensor]:
    """A scheduler in mid-schedule, the sample there (1, 4, 8, 8), and its next step's timestep."""
    scheduler = getattr(diffusers, family)(
        beta_schedule="scaled_linear", prediction_type="v_prediction", **options
    )
    scheduler.set_timesteps(STEPS)
    sample = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    sample = sample * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps[:TURN]:
        sample = stepped(scheduler, timestep, sample)
    return scheduler, sample, scheduler.timesteps[TURN]


def stepped(scheduler: Any, timestep: Tensor, sample: Tensor, shift: float = 0.0) -> Tensor:
    """The next sample, where the clean latent is moved by `shift` in every place."""
    read = scheduler.scale_model_input(sample, timestep)
    output = 0.3 * read + 0.1 * read.sin()  # some smooth denoiser
    output = affine(scheduler, timestep).moved(output, torch.full_like(output, shift))
    noise = {"generator": torch.Generator().manual_seed(1)}
    if "generator" not in scheduler.step.__code__.co_varnames:
        noise = {}
    after: Tensor = scheduler.step(output, timestep, sample, **noise).prev_sample
    return after
