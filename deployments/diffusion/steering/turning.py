"""The steering of one generation: on from its first step, or from the step that a check flags."""

from collections.abc import Callable
from dataclasses import replace

import torch

from deployments.contracts import GenerationRequest
from deployments.diffusion.config import Steering
from deployments.diffusion.steering.moment import Moment
from deployments.diffusion.steering.steerers import (
    ConceptSteerer,
    HarmScorer,
    Head,
    HeadSteerer,
    Steerer,
)
from deployments.diffusion.steering.watch import Watcher
from deployments.diffusion.text import Text, WindowedEncoder
from deployments.errors import RequestError


class Turning:
    """All steerers of one generation, and what they did.

    Args:
        steerers: each sees the edits of those before it.
        scorer: scores the generation for the trace; None without a head.

    Attributes:
        turned_at: the first step, from 0, that was edited; None while there is none.
        turned_for: the category that a check flagged; None: no check did.
        score_before: the head's score just before the first edit; None without a head.
    """

    def __init__(self, steerers: tuple[Steerer, ...], scorer: HarmScorer | None) -> None:
        self.turned_at: int | None = None
        self.turned_for: str | None = None
        self.score_before: float | None = None
        self._steerers, self._scorer = steerers, scorer
        self._acting: set[int] = set()

    def branch(self, progress: float) -> Text | None:
        """The text of the safety branch in the step that begins at `progress`, if it has one."""
        texts = (steerer.branch(progress) for steerer in self._steerers)
        return next((text for text in texts if text is not None), None)

    def turn(self, moment: Moment, step: int) -> tuple[torch.Tensor, bool]:
        """The model output after all steerers.

        Returns:
            the output, and whether a steerer acts here that did not act at the step before.
        """
        acting: set[int] = set()
        for place, steerer in enumerate(self._steerers):
            edited = steerer.edit(moment)
            if edited is None:
                continue
            acting.add(place)
            if self.turned_at is None:
                self.turned_at = step
                self.score_before = self._scorer.score(moment) if self._scorer else None
            moment = replace(moment, output=edited)
        began, self._acting = bool(acting - self._acting), acting
        return moment.output, began


class WatchedTurning(Turning):
    """No steering until a check flags the trajectory; then all steerers, from that step on.

    Args:
        steering_for: the steerers against a flagged category, and the scorer of its score.
    """

    def __init__(
        self,
        watcher: Watcher,
        steering_for: Callable[[str], tuple[tuple[Steerer, ...], HarmScorer | None]],
    ) -> None:
        super().__init__((), None)
        self._watcher, self._steering_for = watcher, steering_for

    def turn(self, moment: Moment, step: int) -> tuple[torch.Tensor, bool]:
        if self.turned_for is None and (flag := self._watcher.check(moment)) is not None:
            self.turned_for = flag.category
            self._steerers, self._scorer = self._steering_for(flag.category)
        return super().turn(moment, step)


class SteererFactory:
    """Makes the steering of each generation from the configured steerers.

    Args:
        head: the noise-aware head; given exactly when `config.head` is set.
        text: encodes prompt and concept for the safety branch.
    """

    def __init__(self, config: Steering, head: Head | None, text: WindowedEncoder) -> None:
        self._config, self._head, self._text = config, head, text

    def turning(self, request: GenerationRequest, text: Text) -> Turning | None:
        """The steering that a request asks for; None: it asks for none.

        Args:
            text: the request's prompt, encoded.
        """
        if request.steer:
            return Turning(*self._steering(request, text, request.strength, request.category))
        if (watch := request.watch) is None:
            return None
        assert self._head is not None  # graph.py refuses a policy that watches without a head
        return WatchedTurning(
            Watcher(self._head, text.mean, watch),
            lambda category: self._steering(request, text, watch.strength, category),
        )

    def _steering(
        self, request: GenerationRequest, text: Text, strength: float, category: str | None
    ) -> tuple[tuple[Steerer, ...], HarmScorer | None]:
        """The steerers, the concept branch before the head, and the scorer of the head's score."""
        head, concept = self._config.head, self._config.concept
        scorer = HarmScorer(self._head, text.mean, category) if self._head else None
        steerers: list[Steerer] = []
        if concept is not None:
            words = concept.concepts.get(category or "", concept.fallback)
            gate = scorer if head and head.gates else None
            shown = self._with_concept(request.prompt, words)
            target = head.target if head else 0.0
            steerers.append(ConceptSteerer(shown, concept, strength, gate, target))
        if head is not None and scorer is not None:
            steerers.append(HeadSteerer(scorer, head, strength))
        return tuple(steerers), scorer

    def _with_concept(self, prompt: str, words: str) -> Text:
        """Prompt and concept; a prompt without room left has the words in a window of their own."""
        try:
            windows = self._text.windows(f"{prompt}, {words}")
        except RequestError:
            windows = [*self._text.windows(prompt), words]
        return self._text.encode(windows, len(windows))
