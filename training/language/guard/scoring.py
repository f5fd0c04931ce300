"""The guard's scores in plain torch, for many prompts under one policy.

A category's score is P(unsafe), the calibrated softmax of the two verdict tokens, times the
probability of its letter after `unsafe`, a softmax over all letters. Serving's own `decide` turns
scores into decisions. Training calibrates with this module and evaluation measures with it; serving
does not use it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, AutoTokenizer

from deployments.contracts import GuardRequest
from deployments.guard.calibration import Calibration
from deployments.guard.decision import Decision, decide
from deployments.guard.embedding.cnn import CNNStage
from deployments.guard.language.question import GuardTemplate
from deployments.policy import Policy
from training.language.packing import IGNORED, pack

Floats = NDArray[np.float64]
BUDGET = 1200
"""Tokens of prompts that share one sequence with the policy."""


@dataclass(frozen=True)
class Readings:
    """What a model answered to N requests in M windows, under one policy with C categories.

    Attributes:
        requests: the N requests.
        policy: `letters` has its categories in its order.
        owner: int64 [M]; which request a window belongs to.
        logit: float64 [M]; log P(unsafe) - log P(safe), uncalibrated.
        letters: float64 [M, C]; P(letter | unsafe), rows add up to one at most.
    """

    requests: Sequence[GuardRequest]
    policy: Policy
    owner: NDArray[np.int64]
    logit: Floats
    letters: Floats

    def verdict(self) -> Floats:
        """float64 [N]: the logit of each request's worst window."""
        worst = np.full(len(self.requests), -np.inf)
        np.maximum.at(worst, self.owner, self.logit)
        return worst

    def unsafe(self, calibration: Calibration) -> Floats:
        """float64 [N]: P(unsafe) of each request's worst window."""
        return np.array([calibration.probability(logit) for logit in self.verdict()])

    def acting(self, calibration: Calibration, chosen: NDArray[np.bool_] | None = None) -> Floats:
        """float64 [N]: P(unsafe in a category that acts), of each request's worst window.

        `decide` compares it with a threshold where no category reaches the threshold alone.

        Args:
            chosen: bool [C], other categories than those that act.
        """
        acts = [category.action != "allow" for category in self.policy.categories.values()]
        acts = acts if chosen is None else chosen.tolist()
        mass = self.letters[:, acts].sum(axis=1)
        worst = np.zeros(len(self.requests))
        unsafe = [calibration.probability(float(logit)) for logit in self.logit]
        np.maximum.at(worst, self.owner, unsafe * mass)
        return worst

    def named(self) -> list[str]:
        """The likeliest category of each request's worst window, safe or not."""
        names, found = list(self.policy.categories), [""] * len(self.requests)
        for window in np.argsort(self.logit):  # the worst comes last and stays
            found[self.owner[window]] = names[int(self.letters[window].argmax())]
        return found

    def tables(self, calibration: Calibration) -> list[list[dict[str, float]]]:
        """For each request its windows' scores by category, as a serving stage gives them."""
        names = list(self.policy.categories)
        tables: list[list[dict[str, float]]] = [[] for _ in self.requests]
        for owner, logit, letters in zip(self.owner, self.logit, self.letters, strict=True):
            scores = calibration.probability(float(logit)) * letters
            tables[owner].append(dict(zip(names, scores.tolist(), strict=True)))
        return tables

    def decisions(self, calibration: Calibration) -> list[Decision]:
        """Serving's decision on each request."""
        return [
            decide(table, self.policy, request.operation, loosen=False)
            for table, request in zip(self.tables(calibration), self.requests, strict=True)
        ]

    def stopped(self, calibration: Calibration) -> NDArray[np.bool_]:
        """bool [N]: whether the decision is to rewrite or to block."""
        return np.array([d.action in ("rewrite", "block") for d in self.decisions(calibration)])


class GuardScorer:
    """Reads requests with a merged guard model."""

    def __init__(self, model: Path, device: str = "cpu") -> None:
        """`model` is a `transformers` folder: the base with the guard's LoRA merged in."""
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        loaded = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16)
        self._model, self._device = loaded.eval().to(device), device

    def read(self, requests: Sequence[GuardRequest], policy: Policy) -> Readings:
        """Scores every window of one or more requests."""
        template = GuardTemplate(self._tokenizer, policy)
        skip = len(template.prefix_ids)
        windows = [
            (number, question[skip:])
            for number, request in enumerate(requests)
            for question in template.windows(request)
        ]
        # By length, so that a sequence is evenly filled.
        windows.sort(key=lambda window: len(window[1]))
        tails = [tail for _, tail in windows]
        parts = [self._forward(template, chunk) for chunk in _chunks(tails)]
        return Readings(
            requests,
            policy,
            np.array([number for number, _ in windows]),
            np.concatenate([logit for logit, _ in parts]),
            np.concatenate([letters for _, letters in parts]),
        )

    @torch.inference_mode()
    def _forward(self, template: GuardTemplate, tails: list[list[int]]) -> tuple[Floats, Floats]:
        codes = list(template.code_ids.values())
        answer = [*template.with_unsafe([]), codes[0]]
        packed = pack(template.prefix_ids, tails, [answer] * len(tails)).to(self._device)
        hidden = self._model.model(
            input_ids=packed.ids,
            position_ids=packed.positions,
            attention_mask=packed.mask,
            use_cache=False,
        ).last_hidden_state
        at = hidden[packed.labels != IGNORED].view(len(tails), len(answer), -1)
        verdict = self._model.lm_head(at[:, 0]).double()
        logit = verdict[:, template.unsafe_id] - verdict[:, template.safe_id]
        letters = self._model.lm_head(at[:, -1])[:, codes].double().softmax(-1)
        return logit.cpu().numpy(), letters.cpu().numpy()


class CNNScorer:
    """Reads requests with the embedding CNN."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds the encoder with its LoRA merged in, and the CNN beside it."""
        self._stage = CNNStage(str(folder))

    def read(self, requests: Sequence[GuardRequest], policy: Policy) -> Readings:
        """Scores every window of the requests; a category that the CNN does not know gets 0."""
        windows = self._stage.read(requests)
        known = {name: i for i, name in enumerate(self._stage.categories)}
        letters = [
            [window.shares[known[name]] if name in known else 0.0 for name in policy.categories]
            for window in windows
        ]
        return Readings(
            requests,
            policy,
            np.array([window.request for window in windows], dtype=np.int64),
            np.array([window.logit for window in windows]),
            np.array(letters),
        )


def _chunks(tails: list[list[int]]) -> list[list[list[int]]]:
    chunks: list[list[list[int]]] = [[]]
    used = 0
    for tail in tails:
        if used + len(tail) > BUDGET and chunks[-1]:
            chunks.append([])
            used = 0
        chunks[-1].append(tail)
        used += len(tail)
    return chunks
