"""The guard's models, loaded once, and cascades on them under any policy."""

import torch

from deployments.embedded.resolve import resolve
from deployments.guard.calibration import Calibration
from deployments.guard.cascade import Cascade
from deployments.guard.cnn import CNNStage
from deployments.guard.config import GuardConfig
from deployments.guard.embedding import EmbeddingStage
from deployments.guard.few_shot import FewShot
from deployments.guard.llm_stage import LLMStage
from deployments.llm import LanguageModel
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
