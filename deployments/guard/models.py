"""The guard's models, loaded once, and cascades on them under any policy."""

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Protocol

import torch

from deployments.guard.calibration import Calibration
from deployments.guard.cascade import Cascade
from deployments.guard.config import GuardConfig
from deployments.guard.embedding.cnn import CNNStage
from deployments.guard.embedding.few_shot import FewShot
from deployments.guard.embedding.stage import EmbeddingStage
from deployments.guard.language.stage import LLMStage
from deployments.inference.embedded.resolve import resolve
from deployments.inference.encoder import TokenEncoder
from deployments.inference.protocols import CausalLM
from deployments.policy import Policy


class LoadedModel(CausalLM, Protocol):
    """A running language model; `folder` is the folder or hub id that it was loaded from."""

    @property
    def folder(self) -> str: ...


class GuardModels:
    """The language model, the embedding CNNs that were asked for so far, and the CNNs' thread.

    The language model stays its maker's to shut down; `close` ends the thread.
    """

    def __init__(self, llm: LoadedModel, config: GuardConfig) -> None:
        torch.set_num_threads(config.threads)
        self._llm, self._config = llm, config
        self._calibration = Calibration.of_model(llm.folder)
        self._cnns: dict[str, CNNStage] = {}
        self._encoder = cache(TokenEncoder)  # for examples, the same under every policy
        # One at a time: more threads would only take the core from one another and from the engine.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="embedding")

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
        embedding = EmbeddingStage(self._cnns[cnn], FewShot(policy, self._encoder))
        return Cascade(policy, llm, embedding, self._thread)

    def close(self) -> None:
        """Ends the thread; cascades with a CNN cannot judge any more."""
        self._thread.shutdown()
