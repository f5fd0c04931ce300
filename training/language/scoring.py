"""The guard's scores in plain torch: the serving side's rule, many prompts behind one policy.

    P(unsafe)      softmax of the two verdict tokens, calibrated: sigmoid(scale * logit + bias)
    score of c     P(unsafe) * P(letter of c | unsafe), letters softmaxed among themselves
    flagged        the highest score of a category that acts is at or above its threshold

Training calibrates with it and evaluation measures with it; nothing here serves.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForCausalLM, AutoTokenizer

from deployments.contracts import GuardRequest
from deployments.guard.template import GuardTemplate
from deployments.policy import Policy
from training.language.packing import IGNORED, pack

Floats = NDArray[np.float64]
BUDGET = 1200
"""Tokens of prompts that share one sequence with the policy."""


@dataclass(frozen=True)
class Calibration:
    """Platt scaling of the verdict's logit (Platt 1999), as in `calibration.json`."""

    scale: float = 1.0
    bias: float = 0.0

    @classmethod
    def load(cls, path: Path) -> "Calibration":
        """Reads `{"scale": ..., "bias": ...}`."""
        return cls(**json.loads(path.read_text(encoding="utf-8")))

    def probability(self, logit: Floats) -> Floats:
        """P(unsafe) of raw verdict logits, any shape."""
        return 1.0 / (1.0 + np.exp(-(self.scale * logit + self.bias)))


@dataclass(frozen=True)
class Readings:
    """What the model said of N requests under one policy with C categories.

    Attributes:
        logit: float64 [N]; log P(unsafe) - log P(safe), uncalibrated.
        letters: float64 [N, C]; P(letter | unsafe), rows add up to one.
        policy: whose categories, in whose order, `letters` has.
    """

    logit: Floats
    letters: Floats
    policy: Policy

    def scores(self, calibration: Calibration) -> Floats:
        """float64 [N, C]: the score of every category, in [0, 1]."""
        return calibration.probability(self.logit)[:, None] * self.letters

    def decisive(self, calibration: Calibration) -> Floats:
        """float64 [N]: the highest score among categories that act; what thresholds look at."""
        acts = np.array([c.action != "allow" for c in self.policy.categories.values()])
        return self.scores(calibration)[:, acts].max(axis=1)

    def actions(self, calibration: Calibration) -> list[str]:
        """`allow`, `rewrite` or `block` for each request, by the policy's `act` thresholds.

        Among several categories over their threshold a block wins over a rewriting.
        """
        names = list(self.policy.categories)
        over = self.scores(calibration) >= [self.policy.thresholds_of(n).act for n in names]
        found = [{self.policy.categories[n].action for n, o in zip(names, row, strict=True) if o}
                 for row in over]
        return [next((a for a in ("block", "rewrite") if a in row), "allow") for row in found]


class GuardScorer:
    """Reads requests with a merged guard model."""

    def __init__(self, model: Path) -> None:
        """`model` is a `transformers` folder: the base with the guard's LoRA merged in."""
        self._tokenizer = AutoTokenizer.from_pretrained(model)
        self._model = AutoModelForCausalLM.from_pretrained(model, dtype=torch.bfloat16).eval()

    def read(self, requests: Sequence[GuardRequest], policy: Policy) -> Readings:
        """Verdict and letters of every request; of a long one, those of its worst window."""
        template = GuardTemplate(self._tokenizer, policy)
        skip = len(template.prefix_ids)
        owners: list[int] = []
        tails: list[list[int]] = []
        for number, request in enumerate(requests):
            for question in template.windows(request):
                owners.append(number)
                tails.append(question[skip:])
        logit = np.full(len(requests), -np.inf)
        letters = np.zeros((len(requests), len(template.code_ids)))
        # By length, so that a sequence is evenly filled.
        order = sorted(range(len(tails)), key=lambda i: len(tails[i]))
        for chunk in _chunks(order, tails):
            chunk_logit, chunk_letters = self._forward(template, [tails[i] for i in chunk])
            for i, value, row in zip(chunk, chunk_logit, chunk_letters, strict=True):
                if value > logit[owners[i]]:
                    logit[owners[i]], letters[owners[i]] = value, row
        return Readings(logit, letters, policy)

    @torch.inference_mode()
    def _forward(self, template: GuardTemplate, tails: list[list[int]]) -> tuple[Floats, Floats]:
        codes = list(template.code_ids.values())
        answer = [*template.with_unsafe([]), codes[0]]
        packed = pack(template.prefix_ids, tails, [answer] * len(tails))
        hidden = self._model.model(
            input_ids=packed.ids,
            position_ids=packed.positions,
            attention_mask=packed.mask,
            use_cache=False,
        ).last_hidden_state[0]
        at = hidden[packed.labels != IGNORED].view(len(tails), len(answer), -1)
        verdict = self._model.lm_head(at[:, 0]).double()
        logit = verdict[:, template.unsafe_id] - verdict[:, template.safe_id]
        letters = self._model.lm_head(at[:, -1])[:, codes].double().softmax(-1)
        return logit.numpy(), letters.numpy()


def _chunks(order: list[int], tails: list[list[int]]) -> list[list[int]]:
    chunks: list[list[int]] = [[]]
    used = 0
    for i in order:
        if used + len(tails[i]) > BUDGET and chunks[-1]:
            chunks.append([])
            used = 0
        chunks[-1].append(i)
        used += len(tails[i])
    return [chunk for chunk in chunks if chunk]
