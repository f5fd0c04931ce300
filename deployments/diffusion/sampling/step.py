"""What runs around each step of one generation: the check in mid-flight, and the steering."""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch.profiler import record_function

from deployments.diffusion.engine.calls import Ask, Call
from deployments.diffusion.sampling.denoiser import Denoiser
from deployments.diffusion.steering.history import forget_history
from deployments.diffusion.steering.moment import Moment
from deployments.diffusion.steering.prediction import Scheduler, affine
from deployments.diffusion.steering.turning import Turning

Observe: TypeAlias = Callable[[Moment], None]
"""Shown each step of a trajectory as the scheduler gets it."""


class StepHook:
    """Runs before each `scheduler.step` of one generation, which every diffusers pipeline calls.

    Args:
        denoiser: the generation's own; None where the pipeline has none that we know.
        turning: edits model outputs; None: they stay as they are.
        observe: shown every step, after steering.

    Attributes:
        steps: how many there were.
        latent_positions: places in the latent: height x width, or length where it is packed.
    """

    def __init__(
        self,
        denoiser: Denoiser | None,
        ask: Ask,
        turning: Turning | None,
        observe: Observe | None,
    ) -> None:
        self.steps = 0
        self.latent_positions = 0
        self._denoiser, self._ask = denoiser, ask
        self._turning, self._observe = turning, observe
        self._begin_step(0.0)

    def wrapped(self, scheduler: Scheduler) -> Any:
        """The scheduler's `step` with this before it; pipelines still see its signature."""
        real = scheduler.step

        @functools.wraps(real)
        def step(
            model_output: torch.Tensor,
            timestep: torch.Tensor | float,
            sample: torch.Tensor,
            *args: Any,
            **kwargs: Any,
        ) -> Any:
            if self._denoiser is None:
                self._ask(_pause())  # no call of this pipeline is ours: others have a turn here
            self.latent_positions = _positions(sample)
            if self._turning or self._observe:
                with record_function("steer"):
                    model_output = self._edited(scheduler, model_output, timestep, sample)
            self.steps += 1
            self._begin_step(self.steps / len(scheduler.timesteps))
            return real(model_output, timestep, sample, *args, **kwargs)

        return step

    def _begin_step(self, progress: float) -> None:
        if self._denoiser is not None:
            self._denoiser.begin_step(self._turning.branch(progress) if self._turning else None)

    def _edited(
        self,
        scheduler: Scheduler,
        output: torch.Tensor,
        timestep: torch.Tensor | float,
        sample: torch.Tensor,
    ) -> torch.Tensor:
        moment = Moment(
            output=output,
            sample=sample,
            timestep=float(timestep),
            affine=affine(scheduler, timestep),
            progress=self.steps / len(scheduler.timesteps),
            contrast=self._denoiser.contrast if self._denoiser else None,
        )
        if self._turning is not None:
            output, began = self._turning.turn(moment, self.steps)
            if began and self.steps:
                forget_history(scheduler)
        if self._observe is not None:
            self._observe(replace(moment, output=output))
        return output


def _pause() -> Call:
    """A step that the pipeline has made by itself; only lets others have their turn."""
    return Call(lambda: None, (), {}, 1)


def _positions(latent: torch.Tensor) -> int:
    """Places in a latent: height x width of (B, C, H, W), length of packed (B, length, C)."""
    return latent[0, 0].numel() if latent.ndim >= 4 else latent.shape[1]
