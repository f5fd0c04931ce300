"""From a denoiser's output to the predicted clean latent, for every scheduler that we can steer.

The predicted clean latent is affine in noisy latent and model output, x0 = a * x + b * m. The
coefficients depend on scheduler, prediction type and step only. So to move x0 by d, give the
scheduler m + d / b: the scheduler itself stays as it is (Universal Guidance, eq. 9,
arXiv:2302.07121, generalised).
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    DPMSolverSinglestepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
    UniPCMultistepScheduler,
)

from deployments.errors import ConfigurationError

Scheduler: TypeAlias = Any
"""A diffusers scheduler; the library gives its classes no types."""
Families: TypeAlias = tuple[Any, ...]

BY_TIMESTEP: Families = (DDIMScheduler, DDPMScheduler, LCMScheduler)
BY_INDEX: Families = (
    DPMSolverMultistepScheduler,
    DPMSolverSinglestepScheduler,
    UniPCMultistepScheduler,
)
UNSCALED: Families = (EulerDiscreteScheduler, EulerAncestralDiscreteScheduler)
FLOW: Families = (FlowMatchEulerDiscreteScheduler,)
STEERABLE: Families = (*BY_TIMESTEP, *BY_INDEX, *UNSCALED, *FLOW)


@dataclass(frozen=True)
class Affine:
    """x0 = a * x + b * m; `b` is never zero."""

    a: float
    b: float

    def clean(self, sample: torch.Tensor, output: torch.Tensor) -> torch.Tensor:
        """The predicted clean latent, float32, shaped like both arguments."""
        return self.a * sample.float() + self.b * output.float()

    def moved(self, output: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
        """The model output whose clean latent lies `shift` further, in the output's own dtype."""
        return (output.float() + shift / self.b).to(output.dtype)


def check_steerable(scheduler: Scheduler) -> None:
    """Raises ConfigurationError unless `affine` holds for this scheduler as it is configured."""
    if not isinstance(scheduler, STEERABLE):
        names = ", ".join(sorted(family.__name__ for family in STEERABLE))
        raise ConfigurationError(
            f"{type(scheduler).__name__} cannot be steered; set `scheduler` to one of {names}"
        )
    for option in ("clip_sample", "thresholding"):
        if scheduler.config.get(option):
            raise ConfigurationError(
                f"the scheduler's {option!r} cuts the clean latent and undoes steering; "
                f"set it to false in `scheduler_options`"
            )
    _of(_prediction_type(scheduler), alpha=0.6, sigma=0.8)


def affine(scheduler: Scheduler, timestep: torch.Tensor | float) -> Affine:
    """The coefficients of the step that the scheduler takes next.

    Args:
        scheduler: one that `check_steerable` accepts, with its timesteps set.
        timestep: what will be passed to `scheduler.step`.
    """
    if isinstance(scheduler, BY_TIMESTEP):
        product = float(scheduler.alphas_cumprod[int(timestep)])
        return _of(_prediction_type(scheduler), product**0.5, (1 - product) ** 0.5)
    sigma = scheduler.sigmas[_index(scheduler, timestep)]
    if isinstance(scheduler, FLOW):
        return _of("flow_prediction", 1 - float(sigma), float(sigma))
    if isinstance(scheduler, BY_INDEX):
        alpha, scaled = scheduler._sigma_to_alpha_sigma_t(sigma)
        return _of(_prediction_type(scheduler), float(alpha), float(scaled))
    # Euler's latent is the variance-preserving one times sqrt(sigma^2 + 1).
    scale = (float(sigma) ** 2 + 1) ** -0.5
    preserved = _of(_prediction_type(scheduler), scale, float(sigma) * scale)
    return Affine(preserved.a * scale, preserved.b)


def _index(scheduler: Scheduler, timestep: torch.Tensor | float) -> int:
    if scheduler.step_index is None:
        scheduler._init_step_index(timestep)
    return scheduler.step_index


def _prediction_type(scheduler: Scheduler) -> str:
    return "flow_prediction" if isinstance(scheduler, FLOW) else scheduler.config.prediction_type


def _of(prediction_type: str, alpha: float, sigma: float) -> Affine:
    """Coefficients for x = alpha * x0 + sigma * noise."""
    match prediction_type:
        case "epsilon":
            return Affine(1 / alpha, -sigma / alpha)
        case "v_prediction":
            return Affine(alpha, -sigma)
        case "flow_prediction":
            return Affine(1.0, -sigma)
        case "sample":
            return Affine(0.0, 1.0)
    raise ConfigurationError(f"prediction type {prediction_type!r} cannot be steered")
