"""The steerers: each edits the model outputs of one generation, within its part of the schedule.

A steerer is given each step after guidance and before the scheduler's step, and returns the model
output that the scheduler shall have. It belongs to one generation, and so does what it keeps.
"""

from typing import Protocol

import torch

from deployments.diffusion.config import ConceptSteering, HeadSteering
from deployments.diffusion.steering.guidance import away_from_concept, away_from_harm, logit
from deployments.diffusion.steering.moment import Moment
from deployments.diffusion.text import Text


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


class HarmScorer:
    """The head's score of harm for one generation.

    It is the flagged category's where the head knows that category, else the highest of all.

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
        """Probability of harm in the clean latent as predicted now, in [0, 1]."""
        return float(self.logit(moment.clean, moment.timestep).sigmoid())


class Steerer(Protocol):
    """Edits the model outputs of one generation, step by step."""

    def branch(self, progress: float) -> Text | None:
        """The text that a safety branch shall read in the step that begins at `progress`, if any.

        Args:
            progress: share of the schedule, in [0, 1].
        """
        ...

    def edit(self, moment: Moment) -> torch.Tensor | None:
        """The output to use instead, or None to leave it. Called once for each step, in order."""
        ...


class HeadSteerer:
    """Follows the head's gradient while its score is above the target, within its interval."""

    def __init__(self, scorer: HarmScorer, config: HeadSteering, strength: float) -> None:
        self._scorer = scorer
        self._config = config
        self._strength = strength

    def branch(self, progress: float) -> Text | None:
        return None

    def edit(self, moment: Moment) -> torch.Tensor | None:
        if not self._config.holds(moment.progress):
            return None
        target = logit(self._config.target)
        shift = away_from_harm(
            lambda clean: self._scorer.logit(clean, moment.timestep) - target,
            moment.clean,
            strength=self._strength,
            steps=self._config.inner_steps,
            max_shift=self._config.max_shift,
        )
        return moment.affine.moved(moment.output, shift) if shift.any() else None


class ConceptSteerer:
    """Leaves the direction of the flagged concept, within its interval, while the gate is open.

    Args:
        shown: prompt and concept, the text of the safety branch.
        gate: its score says whether to steer; None: always.
        target: the score above which the gate is open.
    """

    def __init__(
        self,
        shown: Text,
        config: ConceptSteering,
        strength: float,
        gate: HarmScorer | None,
        target: float = 0.0,
    ) -> None:
        self._shown = shown
        self._config = config
        self._strength = strength
        self._gate = gate
        self._target = target
        self._open = True
        self._change: torch.Tensor | None = None
        self._age = 0  # steps since the branch that gave the change

    def branch(self, progress: float) -> Text | None:
        # The gate lags by one step: the branch is asked for before the step's score is known.
        wanted = self._open and self._config.holds(progress)
        due = self._change is None or self._age + 1 >= self._config.every
        return self._shown if wanted and due else None

    def edit(self, moment: Moment) -> torch.Tensor | None:
        self._age += 1
        if not self._config.holds(moment.progress):
            return None
        self._open = self._gate is None or self._gate.score(moment) > self._target
        if not self._open:
            self._change = None
            return None
        if moment.contrast is not None:
            self._age = 0
            self._change = away_from_concept(
                *moment.contrast,
                scale=self._strength * self._config.scale,
                sensitivity=self._config.sensitivity,
            )
        if self._change is None:
            return None
        return (moment.output.float() + self._change).to(moment.output.dtype)
