"""The guard's language model: P(unsafe) in one forward pass, the category in a second step.

P(unsafe) is read off the verdict's tokens and calibrated (Platt 1999: a logistic function of the
logit). A category's score is P(unsafe) times its share of the harm, which an adapter reads from
what the model says behind that verdict.
"""

import asyncio
import math
from collections.abc import Iterable

from deployments.contracts import GuardRequest, Operation
from deployments.errors import ConfigurationError, UnparsableAnswer
from deployments.guard.calibration import Calibration
from deployments.guard.config import GuardConfig
from deployments.guard.decision import UNKNOWN
from deployments.guard.language.adapters import Adapter, adapter_for
from deployments.guard.language.adapters.protocol import Level
from deployments.inference.protocols import CausalLM
from deployments.policy import Policy

OPERATIONS: tuple[Operation, ...] = ("generate", "edit")


class LLMStage:
    """Scores requests under one policy. Categories that do not apply to the operation are left out
    of the question, so the model is not asked about them."""

    def __init__(
        self, model: CausalLM, policy: Policy, config: GuardConfig, calibration: Calibration
    ) -> None:
        """
        Raises:
            ConfigurationError: a question does not fit the model's length, the model cannot be
                asked in the configured format or not about this policy, or the floor hides scores
                that the policy acts on.
        """
        lowest = min(policy.thresholds_of(name).steer for name in policy.categories)
        if config.floor >= lowest:
            raise ConfigurationError(
                f"guard.floor {config.floor!r} must be below the policy's lowest steer threshold, "
                f"{lowest!r}"
            )
        self._model, self._policy, self._calibration = model, policy, calibration
        self._floor, self._min_mass = config.floor, config.min_answer_mass
        self._controversial = config.controversial
        self._adapters = {
            operation: adapter
            for operation in OPERATIONS
            if (adapter := adapter_for(model, policy, operation, config))
        }
        for adapter in self._adapters.values():
            if adapter.longest >= model.max_tokens:
                raise ConfigurationError(
                    f"the policy and a window of {config.window} tokens make questions of "
                    f"{adapter.longest} tokens; raise guard.llm.max_model_len above that"
                )

    async def score(self, requests: Iterable[GuardRequest]) -> list[dict[str, float]]:
        """Tables of category -> score: one or more for each window of each request, all asked at
        once.

        Where the model finds harm and names no category of the policy, the table has UNKNOWN alone.

        Raises:
            UnparsableAnswer: the model gives no verdict.
            StageFailed: the engine cannot answer.
        """
        questions = [
            (adapter, ids)
            for request in requests
            if (adapter := self._adapters.get(request.operation))
            for ids in adapter.windows(request)
        ]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._tables(*question)) for question in questions]
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from failures
        return [table for task in tasks for table in task.result()]

    async def _tables(self, adapter: Adapter, ids: list[int]) -> list[dict[str, float]]:
        answers = await self._model.next_token_logprobs(ids, tuple(adapter.levels.values()))
        likely = {level: math.exp(answers[token]) for level, token in adapter.levels.items()}
        mass = sum(likely.values())
        if not mass >= self._min_mass:  # NaN is no answer either
            raise UnparsableAnswer("guard", f"only {mass:.1%} of its answer is of the asked form")
        between = likely.get("controversial", 0.0)
        unsafe = self._probability(likely["unsafe"], likely["safe"] + between)
        harmful = self._probability(likely["unsafe"] + between, likely["safe"])
        if harmful <= self._floor:  # nobody acts on it, whatever it is: shared out evenly
            return [dict.fromkeys(adapter.names, harmful / len(adapter.names))]
        level: Level = "controversial" if between > likely["unsafe"] else "unsafe"
        kinds = await adapter.kinds(ids, level)
        if not kinds:
            return [{UNKNOWN: harmful}]
        if "controversial" not in adapter.levels:
            return [{name: unsafe * share for name, share in kind.items()} for kind in kinds]
        return [
            {name: self._graded(name, unsafe, harmful) * share for name, share in kind.items()}
            for kind in kinds
        ]

    def _graded(self, name: str, unsafe: float, harmful: float) -> float:
        """The category's score from P(unsafe) and P(at least controversial).

        A prompt that is more likely controversial than safe scores between the category's
        thresholds `steer` and `act`, where the configuration says, or P(unsafe) if that is higher.
        """
        limits = self._policy.thresholds_of(name)
        middle = limits.steer + self._controversial * (limits.act - limits.steer)
        return max(unsafe, middle if harmful >= 0.5 else min(harmful, middle))

    def _probability(self, yes: float, no: float) -> float:
        return self._calibration.probability(_log(yes) - _log(no))


def _log(probability: float) -> float:
    return math.log(probability) if probability else -math.inf
