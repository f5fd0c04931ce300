"""The guard's models, loaded once, and cascades on them under any policy."""

import torch

from deployments.guard.calibration import Calibration
from deployments.guard.cascade import Cascade
from deployments.guard.config import GuardConfig
from deployments.guard.embedding.cnn import CNNStage
from deployments.guard.embedding.few_shot import FewShot
from deployments.guard.embedding.stage import EmbeddingStage
from deployments.guard.language.stage import LLMStage
from deployments.inference.embedded.resolve import resolve
from deployments.inference.language_model import LanguageModel
from deployments.policy import Policy


class Stages:
    """A running language model, and the embedding CNNs that were asked for so far."""

    def __init__(self, llm: LanguageModel, config: GuardConfig) -> None:
        torch.set_num_threads(config.threads)
        self._llm, self._config = llm, config
        self._calibration = Calibration.of_model(llm.folder)
        self._cnns: dict[str, CNNStage] = {}

    def cascade(self, policy: Policy, cnn: str | None) -> Cascade:
        """The stages under one policy; `cnn` is the embedding CNN's folder, None: without one.

        Raises:
            ConfigurationError: the CNN cannot be loaded, or the policy does not fit the models.
        """
        llm = LLMStage(self._llm, policy, self._config, self._calibration)
        if cnn is None:
            return Cascade(policy, llm)
        if cnn not in self._cnns:
            self._cnns[cnn] = CNNStage(resolve(cnn))
        return Cascade(policy, llm, EmbeddingStage(self._cnns[cnn], FewShot(policy)))
