"""The Ray Serve class of the guard."""

import torch
from ray import serve

from deployments.contracts import GuardRequest, PromptVerdict
from deployments.embedded.resolve import resolve
from deployments.guard.calibration import Calibration
from deployments.guard.canaries import check_canaries
from deployments.guard.cascade import Cascade
from deployments.guard.cnn import CNNStage
from deployments.guard.config import GuardConfig
from deployments.guard.llm_stage import LLMStage
from deployments.llm import LanguageModel
from deployments.policy import Policy


@serve.deployment(name="guard")
class GuardDeployment:
    """Prompt in, verdict out. Ready only when it has judged its canaries right."""

    async def __init__(self, config: GuardConfig, policy: Policy) -> None:  # type: ignore[misc]
        self._llm = LanguageModel("guard", config.llm)
        try:
            torch.set_num_threads(config.threads)
            calibration = Calibration.of_model(self._llm.folder)
            llm = LLMStage(self._llm, policy, config, calibration)
            cnn = CNNStage(resolve(config.cnn)) if config.cnn else None
            self._cascade = Cascade(policy, llm, cnn)
            await check_canaries(config.canaries, policy, self._cascade.judge_by_model)
        except BaseException:
            self._llm.shutdown()
            raise

    async def judge(self, request: GuardRequest) -> PromptVerdict:
        """The verdict on a prompt. Raises Unavailable when there is none."""
        return await self._cascade.judge(request)

    async def check_health(self) -> None:
        """Raises when the engine is dead or hangs."""
        await self._llm.check_health()

    def __del__(self) -> None:
        if llm := getattr(self, "_llm", None):
            llm.shutdown()
