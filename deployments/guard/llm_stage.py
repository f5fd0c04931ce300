"""The guard's language model: P(unsafe) in one forward pass, the category in one more.

P(unsafe) is read off the two verdict tokens and calibrated (Platt 1999: a logistic function of the
logit). A category's score is P(unsafe) times the probability of its letter behind `unsafe`.
"""

import asyncio
import math
from collections.abc import Iterable, Sequence
from typing import Protocol

from deployments.contracts import GuardRequest, Operation
from deployments.errors import ConfigurationError, UnparsableAnswer
from deployments.guard.calibration import Calibration
from deployments.guard.config import GuardConfig
from deployments.guard.decision import UNKNOWN
from deployments.guard.template import GuardTemplate, Tokenizer
from deployments.policy import Policy

OPERATIONS: tuple[Operation, ...] = ("generate", "edit")


class Model(Protocol):
    """What this stage needs of `deployments.llm.LanguageModel`."""

    @property
    def tokenizer(self) -> Tokenizer: ...

    @property
    def max_tokens(self) -> int: ...

    async def next_token_logprobs(
        self, ids: Sequence[int], token_ids: Sequence[int]
    ) -> dict[int, float]: ...


class LLMStage:
    """Scores requests under one policy. Categories that do not apply to the operation are left out
    of the question, so the model is not asked about them."""

    def __init__(
        self, model: Model, policy: Policy, config: GuardConfig, calibration: Calibration
    ) -> None:
        """
        Raises:
            ConfigurationError: a question does not fit the model's length, the tokenizer does not
                fit the template, or the floor hides scores that the policy acts on.
        """
        lowest = min(policy.thresholds_of(name).steer for name in policy.categories)
        if config.floor >= lowest:
            raise ConfigurationError(
                f"guard.floor {config.floor!r} must be below the policy's lowest steer threshold, "
                f"{lowest!r}"
            )
        self._model, self._calibration = model, calibration
        self._floor, self._min_mass = config.floor, config.min_answer_mass
        self._templates = {
            operation: GuardTemplate(model.tokenizer, narrowed, config.window, config.overlap)
            for operation in OPERATIONS
            if (narrowed := _narrowed(policy, operation)).categories
        }
        for template in self._templates.values():
            longest = config.window + len(
                template.with_unsafe(template.encode(GuardRequest(prompt="", negative_prompt=".")))
            )
            if longest >= model.max_tokens:
                raise ConfigurationError(
                    f"the policy and a window of {config.window} tokens make questions of "
                    f"{longest} tokens; raise guard.llm.max_model_len above that"
                )

    async def score(self, requests: Iterable[GuardRequest]) -> list[dict[str, float]]:
        """One table of category -> score for each window of each request, all asked at once.

        Where the model finds harm and then names no letter of the policy's, the table is UNKNOWN's.

        Raises:
            UnparsableAnswer: the model says neither safe nor unsafe.
            StageFailed: the engine cannot answer.
        """
        questions = [
            (template, ids)
            for request in requests
            if (template := self._templates.get(request.operation))
            for ids in template.windows(request)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._table(*question)) for question in questions]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return [task.result() for task in tasks]

    async def _table(self, template: GuardTemplate, ids: list[int]) -> dict[str, float]:
        verdict = await self._model.next_token_logprobs(ids, (template.safe_id, template.unsafe_id))
        mass = sum(math.exp(value) for value in verdict.values())
        if not mass >= self._min_mass:  # NaN is no answer either
            raise UnparsableAnswer("guard", f"only {mass:.1%} of its answer is of the asked form")
        logit = verdict[template.unsafe_id] - verdict[template.safe_id]
        unsafe = self._calibration.probability(logit)
        if unsafe <= self._floor:  # nobody acts on it, whatever it is: shared out evenly
            return dict.fromkeys(template.code_ids, unsafe / len(template.code_ids))
        letters = list(template.code_ids.values())
        codes = await self._model.next_token_logprobs(template.with_unsafe(ids), letters)
        weights = {name: math.exp(codes[token]) for name, token in template.code_ids.items()}
        total = sum(weights.values())
        if not total >= self._min_mass:  # NaN is no letter either
            return {UNKNOWN: unsafe}
        return {name: unsafe * weight / total for name, weight in weights.items()}


def _narrowed(policy: Policy, operation: Operation) -> Policy:
    categories = {n: c for n, c in policy.categories.items() if operation in c.operations}
    return policy.model_copy(update={"categories": categories})
