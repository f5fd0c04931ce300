"""What steering sees of one step: the state of a generation after guidance, before the scheduler's
step."""

from dataclasses import dataclass
from typing import NamedTuple

import torch

from deployments.diffusion.steering.prediction import Affine


class Contrast(NamedTuple):
    """Two answers of the denoiser at the same latent and time, (1, ...), in its own dtype."""

    prompt: torch.Tensor
    concept: torch.Tensor


@dataclass(frozen=True)
class Moment:
    """One step as steering sees it.

    Attributes:
        output: the guided model output, shaped like `sample`.
        sample: the noisy latent, (1, ...).
        timestep: as the scheduler counts.
        affine: what the clean latent is, given both.
        progress: share of the schedule before this step, in [0, 1).
        contrast: the answers to the prompt and to the safety branch's text; None: no branch ran.
    """

    output: torch.Tensor
    sample: torch.Tensor
    timestep: float
    affine: Affine
    progress: float
    contrast: Contrast | None = None

    @property
    def clean(self) -> torch.Tensor:
        """The predicted clean latent, float32."""
        return self.affine.clean(self.sample, self.output)
