"""The configured guard's models in this process: its own cascade, and each stage alone.

One vLLM engine reads for any number of policies. What the prompt side is measured under is the
default policy, whatever the configuration's is: it is the one that others extend.
"""

import os
from collections.abc import Mapping, Sequence

from deployments.contracts import GuardRequest
from deployments.guard.calibration import Calibration
from deployments.guard.cascade import Cascade
from deployments.guard.config import GuardConfig
from deployments.guard.embedding.cnn import CNNStage
from deployments.guard.embedding.few_shot import FewShot
from deployments.guard.embedding.stage import EmbeddingStage
from deployments.guard.language.stage import LLMStage
from deployments.guard.models import GuardModels
from deployments.inference.embedded.resolve import resolve
from deployments.inference.language_model import LanguageModel
from deployments.ops.policy.diff import ENVIRONMENT, read_guard
from deployments.paths import ROOT
from deployments.policy import Policy, load_policy
from evaluation.common.measurement import Measurement
from evaluation.common.options import Options

POLICIES = ROOT / "configs" / "policies"
POLICY = POLICIES / "default.yaml"
Tables = Sequence[Mapping[str, float]]


class RunningGuard:
    """Started by `start`; ended by `stop`."""

    config: GuardConfig
    model: LanguageModel

    async def start(self, options: Options) -> None:
        """Starts the engine, which takes a minute."""
        self.config, environment = read_guard(options.config)
        os.environ.update(ENVIRONMENT | environment)  # as a replica has it
        self.model = LanguageModel("guard", self.config.llm)
        self._models = GuardModels(self.model, self.config)

    def stop(self) -> None:
        self._models.close()
        self.model.shutdown()

    def cascade(self, policy: Policy) -> Cascade:
        """All stages, as they serve."""
        return self._models.cascade(policy, self.config.cnn)

    def llm(self, policy: Policy, *, asks_always: bool = False) -> LLMStage:
        """The language model's stage; `asks_always` for the category of what is surely safe too."""
        changes = {"floor": 0.0} if asks_always else {}
        config = self.config.model_copy(update=changes)
        return LLMStage(self.model, policy, config, Calibration.of_model(self.model.folder))

    def embedding(self, policy: Policy) -> EmbeddingStage:
        """The embedding network, with the matcher of the policy's examples beside it."""
        if self.config.cnn is None:
            raise SystemExit("the guard of that configuration has no embedding network")
        return EmbeddingStage(CNNStage(resolve(self.config.cnn)), FewShot(policy))


class GuardMeasurement(Measurement):
    """Loads the guard's models and the default policy, and ends the engine."""

    async def start(self) -> None:
        self._models, self._policy = RunningGuard(), load_policy(POLICY)
        await self._models.start(self.options)

    async def stop(self) -> None:
        self._models.stop()


def prompts(texts: Sequence[str]) -> list[GuardRequest]:
    """Plain requests to generate a picture."""
    return [GuardRequest(prompt=text) for text in texts]


def acts(category: str | None, policy: Policy) -> bool:
    """Whether the policy does something about a category."""
    return category in policy.categories and policy.categories[str(category)].action != "allow"


def acting(tables: Tables, policy: Policy) -> float:
    """The score of acting categories together, in the worst table: what a threshold looks at."""
    names = [name for name in policy.categories if acts(name, policy)]
    return max((sum(table.get(name, 0.0) for name in names) for table in tables), default=0.0)


def unsafe(tables: Tables) -> tuple[float, str]:
    """The score of all categories together in the worst table, and its likeliest category."""
    worst = max(tables, key=lambda table: sum(table.values()), default={})
    named = max(worst, key=lambda name: worst[name], default="")
    return sum(worst.values()), named
