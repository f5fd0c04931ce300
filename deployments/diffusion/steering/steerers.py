"""Turning a sampling trajectory away from harm: the methods as functions, and two steerers.

A steerer sees each denoiser call after guidance and before the scheduler's step, and gives back the
model output that the scheduler shall have. None goes back through the denoiser. Steerers belong to
one request; what they keep is that request's alone.

- `HeadSteerer`: x0 <- x0 - step * grad margin(x0), the gradient of the noise-aware head taken at
  the predicted clean latent (manifold-preserving guidance, arXiv:2311.16424), put back through the
  affine map of prediction.py (the backward form of Universal Guidance, arXiv:2302.07121), with
  Polyak's step length (as analysed for training-free guidance at NeurIPS 2024, "Understanding and
  Improving Training-free Loss-based Diffusion Guidance").
- `ConceptSteerer`: m <- m - k * bounded(s - c), with s the denoiser's answer to the prompt plus
  the flagged category's words and c its answer to the prompt alone: the difference holds the
  concept and little else. Bounded element by element as Safe Latent Diffusion does
  (arXiv:2211.05105).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import torch

from deployments.diffusion.config import ConceptSteering, HeadSteering
from deployments.diffusion.sampling.denoiser import Denoiser
from deployments.diffusion.sampling.text import Text
from deployments.diffusion.steering.prediction import Affine

Margin = Callable[[torch.Tensor], torch.Tensor]


class Head(Protocol):
    """The noise-aware head: logits per category, differentiable in the clean latent."""

    @property
    def categories(self) -> tuple[str, ...]: ...

    def __call__(
        self, clean: torch.Tensor, timestep: torch.Tensor, prompt: torch.Tensor
    ) -> torch.Tensor:
        """
        Args:
            clean: predicted clean latent, (B, C, H, W), float32.
            timestep: (B,), float32, on the scheduler's scale (0 to 1000).
            prompt: (B, width), float32, `text.mean_embedding`.

        Returns:
            (B, categories), logits.
        """
        ...


@dataclass(frozen=True)
class Moment:
    """One denoiser call as steering sees it.

    Attributes:
        output: the guided model output, shaped like `sample`.
        sample: the noisy latent, (1, ...).
        timestep: as the scheduler counts.
        affine: what the clean latent is, given both.
        progress: share of the schedule before this call, in [0, 1).
    """

    output: torch.Tensor
    sample: torch.Tensor
    timestep: float
    affine: Affine
    progress: float

    @property
    def clean(self) -> torch.Tensor:
        """The predicted clean latent, float32."""
        return self.affine.clean(self.sample, self.output)


class Steerer(Protocol):
    """Edits model outputs of one request."""

    def prepare(self, progress: float) -> None:
        """Told before each denoiser call how far the schedule is, in [0, 1)."""
        ...

    def edit(self, moment: Moment) -> torch.Tensor | None:
        """The output to use instead, or None where nothing needs turning."""
        ...


def logit(probability: float) -> float:
    """log(p / (1 - p)) for p in (0, 1)."""
    return math.log(probability / (1.0 - probability))


def margin_gradient(margin: Margin, clean: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A margin and its gradient with respect to the clean latent.

    Args:
        margin: (B, ...) -> (B,), differentiable; positive is harmful.
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
    """
    squared = gradient.flatten(1).square().sum(dim=1).clamp_min(1e-12)
    length = margin.clamp_min(0.0) / squared
    return -length.view(-1, *[1] * (gradient.ndim - 1)) * gradient


def shortened(shift: torch.Tensor, longest: torch.Tensor) -> torch.Tensor:
    """The shift (B, ...) with each row's length cut to `longest` (B,).

    Where the head is flat, Polyak's step is long; beyond a share of the latent's own length it is a
    leap out of all that the head has seen, and fools it rather than turns the picture.
    """
    length = shift.flatten(1).norm(dim=1).clamp_min(1e-12)
    return shift * (longest / length).clamp_max(1.0).view(-1, *[1] * (shift.ndim - 1))


def away_from_harm(
    margin: Margin, clean: torch.Tensor, *, strength: float, steps: int, max_shift: float
) -> torch.Tensor:
    """The shift of the clean latent that takes the margin below zero.

    Args:
        margin: (B, ...) -> (B,), positive is harmful.
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


def bounded(difference: torch.Tensor, sensitivity: float) -> torch.Tensor:
    """Each element weighted by min(sensitivity * |element|, 1): small differences hardly count.

    What two prompts share differs little and stays; what the concept alone changes differs much and
    is taken in full, never more than in full.
    """
    return difference * (sensitivity * difference.abs()).clamp_max(1.0)


def away_from_concept(
    prompt: torch.Tensor, concept: torch.Tensor, *, scale: float, sensitivity: float
) -> torch.Tensor:
    """What to add to a model output: -scale * bounded(concept - prompt).

    Args:
        prompt: the denoiser's answer to the prompt, any shape.
        concept: its answer to prompt and concept, the same shape.
    """
    return -scale * bounded(concept.float() - prompt.float(), sensitivity)


class HarmReader:
    """The head as one request asks it.

    It reads the flagged category where the head knows it, and otherwise the highest of all.

    Args:
        embedding: (1, width) float32, of the prompt.
        category: the flagged category, or None.
    """

    def __init__(self, head: Head, embedding: torch.Tensor, category: str | None) -> None:
        self._head = head
        self._embedding = embedding
        self._column = head.categories.index(category) if category in head.categories else None

    def logit(self, clean: torch.Tensor, timestep: float) -> torch.Tensor:
        """(1, ...) float32 -> (1,), differentiable."""
        when = torch.full((len(clean),), float(timestep), device=clean.device)
        logits = self._head(clean, when, self._embedding)
        return logits[:, self._column] if self._column is not None else logits.amax(dim=1)

    @torch.no_grad()
    def score(self, moment: Moment) -> float:
        """Probability of harm in the clean latent as predicted now."""
        return float(self.logit(moment.clean, moment.timestep).sigmoid())


class HeadSteerer:
    """Follows the head's gradient while its score is above the target, within its window."""

    def __init__(self, reader: HarmReader, config: HeadSteering, strength: float) -> None:
        self._reader = reader
        self._config = config
        self._strength = strength

    def prepare(self, progress: float) -> None:
        pass

    def edit(self, moment: Moment) -> torch.Tensor | None:
        if not self._config.holds(moment.progress):
            return None
        target = logit(self._config.target)
        shift = away_from_harm(
            lambda clean: self._reader.logit(clean, moment.timestep) - target,
            moment.clean,
            strength=self._strength,
            steps=self._config.inner_steps,
            max_shift=self._config.max_shift,
        )
        return moment.affine.moved(moment.output, shift) if shift.any() else None


class ConceptSteerer:
    """Leaves the direction of the flagged concept, within its window, while the gate says so.

    Args:
        denoiser: of this request; has one more row a call while this steers.
        shown: prompt and concept, the row's text.
        gate: the score above which to steer is asked of this reader; None steers all the time.
        target: that score.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        shown: Text,
        config: ConceptSteering,
        strength: float,
        gate: HarmReader | None,
        target: float = 0.0,
    ) -> None:
        self._denoiser, self._shown = denoiser, shown
        self._config = config
        self._strength = strength
        self._gate = gate
        self._target = target
        self._open = True
        self._change: torch.Tensor | None = None
        self._age = 0  # calls since the change was asked for

    def prepare(self, progress: float) -> None:
        # The gate lags by one step: the row has to be asked for before its score is known.
        wanted = self._open and self._config.holds(progress)
        self._age += 1
        due = self._change is None or self._age >= self._config.every
        self._denoiser.branch = self._shown if wanted and due else None

    def edit(self, moment: Moment) -> torch.Tensor | None:
        if not self._config.holds(moment.progress):
            return None
        self._open = self._gate is None or self._gate.score(moment) > self._target
        if not self._open:
            self._change = None
            return None
        if self._denoiser.branch is not None:
            prompt, concept = self._denoiser.answers()
            self._age = 0
            self._change = away_from_concept(
                prompt,
                concept,
                scale=self._strength * self._config.scale,
                sensitivity=self._config.sensitivity,
            )
        if self._change is None:
            return None
        return (moment.output.float() + self._change).to(moment.output.dtype)


class Turning:
    """All steerers of one request in turn, and what they did.

    Attributes:
        turned_at: the first call, from 0, that was edited; None while there is none.
        score_before: the head's score just before that edit; None without a head.
    """

    def __init__(self, steerers: tuple[Steerer, ...], reader: HarmReader | None) -> None:
        self.turned_at: int | None = None
        self.score_before: float | None = None
        self._steerers = steerers
        self._reader = reader
        self._acting: set[int] = set()

    def prepare(self, progress: float) -> None:
        """Before each denoiser call; `progress` as in Moment."""
        for steerer in self._steerers:
            steerer.prepare(progress)

    def turn(self, moment: Moment, call: int) -> tuple[torch.Tensor, bool]:
        """The model output after all steerers, each seeing the edits of those before.

        Returns:
            the output, and whether a steerer sets in here that did not act at the call before.
        """
        acting: set[int] = set()
        for place, steerer in enumerate(self._steerers):
            edited = steerer.edit(moment)
            if edited is None:
                continue
            acting.add(place)
            if self.turned_at is None:
                self.turned_at = call
                self.score_before = self._reader.score(moment) if self._reader else None
            moment = replace(moment, output=edited)
        began, self._acting = bool(acting - self._acting), acting
        return moment.output, began
