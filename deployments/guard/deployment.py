"""The Ray Serve class of the guard."""

import asyncio
from contextlib import ExitStack, closing
from pathlib import Path

from ray import serve

from deployments.contracts import GuardRequest, PromptVerdict, Screening
from deployments.guard.config import GuardConfig
from deployments.guard.guard import Guard
from deployments.guard.models import GuardModels
from deployments.guard.reload import PolicyWatch, follow
from deployments.inference.embedded.resolve import resolve
from deployments.inference.language_model import LanguageModel
from deployments.policy import Policy


@serve.deployment(name="guard")
class GuardDeployment:
    """Prompt in, verdict out. Ready only when it has judged its canaries right."""

    async def __init__(  # type: ignore[misc]
        self,
        config: GuardConfig,
        policy: Policy,
        policy_file: str,
        candidate: Policy | None = None,
    ) -> None:
        """
        Args:
            policy: what `policy_file` said when the application was built.
            candidate: the policy of `config.shadow`, if it names one.
        """
        self._resources = ExitStack()
        try:
            self._llm = LanguageModel("guard", config.llm)
            self._resources.callback(self._llm.shutdown)
            models = self._resources.enter_context(closing(GuardModels(self._llm, config)))
            self._guard = Guard(models, config, policy, candidate)
            self._resources.callback(self._guard.close)
            await self._guard.check_canaries()
        except BaseException:
            self._resources.close()
            raise
        if config.reload_seconds:
            watch = PolicyWatch(Path(resolve(policy_file)), policy)
            self._following = asyncio.create_task(
                follow(watch, config.reload_seconds, self._guard.reword)
            )

    async def screen(self, request: GuardRequest) -> PromptVerdict | Screening:
        """The verdict, where it takes no language model; else what `decide` needs for it."""
        return await self._guard.screen(request)

    async def decide(self, request: GuardRequest, screening: Screening) -> PromptVerdict:
        """The language model's verdict on a screened prompt. Raises Unavailable without one."""
        return await self._guard.decide(request, screening)

    async def check_health(self) -> None:
        """Raises when the engine is dead or hangs."""
        await self._llm.check_health()

    def __del__(self) -> None:
        if resources := getattr(self, "_resources", None):
            resources.close()
