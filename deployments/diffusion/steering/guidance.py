"""The methods of steering as plain functions: tensors in, tensors out, nothing kept between calls.

- `away_from_harm`: x0 <- x0 - step * grad margin(x0), the gradient of the noise-aware head at the
  predicted clean latent x0 (manifold-preserving guidance, arXiv:2311.16424), put back through the
  affine map of prediction.py (the backward form of Universal Guidance, arXiv:2302.07121). The step
  length is Polyak's (analysed for training-free guidance at NeurIPS 2024, "Understanding and
  Improving Training-free Loss-based Diffusion Guidance").
- `away_from_concept`: m <- m - k * bounded(s - c), where s is the denoiser's answer to the prompt
  plus the flagged category's words, and c its answer to the prompt alone. Their difference holds
  the concept and little else. It is bounded element by element as Safe Latent Diffusion does it
  (arXiv:2211.05105).

Neither goes back through the denoiser. B is the number of rows; rows are steered independently.
"""

import math
from collections.abc import Callable
from typing import TypeAlias

import torch

Margin: TypeAlias = Callable[[torch.Tensor], torch.Tensor]
"""Clean latents (B, ...) to logits above the target (B,), differentiable; positive is harmful."""


def logit(probability: float) -> float:
    """log(p / (1 - p)) for p in (0, 1)."""
    return math.log(probability / (1.0 - probability))


def away_from_harm(
    margin: Margin, clean: torch.Tensor, *, strength: float, steps: int, max_shift: float
) -> torch.Tensor:
    """The shift of the clean latent that takes the margin below zero.

    Args:
        margin: of the clean latent.
        clean: (B, ...), float32.
        strength: multiple of Polyak's step, above 0; 1 is exact for a linear head.
        steps: gradient steps, each from where the last one came to.
        max_shift: greatest length of the whole shift, in lengths of `clean`.

    Returns:
        (B, ...); zero for rows whose margin is not positive.
    """
    longest = max_shift * clean.flatten(1).norm(dim=1)
    shift = torch.zeros_like(clean)
    for _ in range(steps):
        value, gradient = margin_gradient(margin, clean + shift)
        shift = shortened(shift + strength * polyak_step(value, gradient), longest)
    return shift


def margin_gradient(margin: Margin, clean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A margin and its gradient with respect to the clean latent.

    Args:
        margin: of the clean latent.
        clean: (B, ...), float32.

    Returns:
        margin (B,) and gradient (B, ...), both detached.
    """
    with torch.enable_grad():
        point = clean.detach().requires_grad_()
        value = margin(point)
        (gradient,) = torch.autograd.grad(value.sum(), point)
    return value.detach(), gradient


def polyak_step(margin: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """The step that brings a linear margin to zero: -max(margin, 0) / |g|^2 * g.

    A margin that is already negative gives no step, and so does a gradient of zero.

    Args:
        margin: (B,), logits above the target.
        gradient: (B, ...), of the margin with respect to the clean latent.

    Returns:
        (B, ...).
    """
    squared = gradient.flatten(1).square().sum(dim=1).clamp_min(1e-12)
    length = margin.clamp_min(0.0) / squared
    return -length.view(-1, *[1] * (gradient.ndim - 1)) * gradient


def shortened(shift: torch.Tensor, longest: torch.Tensor) -> torch.Tensor:
    """The shift (B, ...) with each row's length cut to `longest` (B,).

    Where the head is flat, Polyak's step is long. A shift longer than a share of the latent leaves
    all that the head was trained on: it fools the head and does not turn the picture.
    """
    length = shift.flatten(1).norm(dim=1).clamp_min(1e-12)
    return shift * (longest / length).clamp_max(1.0).view(-1, *[1] * (shift.ndim - 1))


def away_from_concept(
    prompt: torch.Tensor, concept: torch.Tensor, *, scale: float, sensitivity: float
) -> torch.Tensor:
    """What to add to a model output: -scale * bounded(concept - prompt).

    Args:
        prompt: the denoiser's answer to the prompt, any shape.
        concept: its answer to prompt and concept, the same shape.
        scale: above 0.
        sensitivity: as for `bounded`.

    Returns:
        float32, the same shape.
    """
    return -scale * bounded(concept.float() - prompt.float(), sensitivity)


def bounded(difference: torch.Tensor, sensitivity: float) -> torch.Tensor:
    """Each element weighted by min(sensitivity * |element|, 1).

    Small differences are common to both prompts and hardly count. Large ones come from the concept
    alone and count in full, never more.

    Args:
        difference: any shape.
        sensitivity: above 0; differences of 1 / sensitivity and more count in full.
    """
    return difference * (sensitivity * difference.abs()).clamp_max(1.0)
