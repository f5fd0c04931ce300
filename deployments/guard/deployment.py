"""The Ray Serve class of the guard."""

import asyncio
from pathlib import Path

from ray import serve

from deployments.contracts import GuardRequest, PromptVerdict, Screening
from deployments.guard.canaries import check_canaries
from deployments.guard.config import GuardConfig
from deployments.guard.models import Stages
from deployments.guard.reload import PolicyWatch, follow
from deployments.guard.shadow.shadow import Shadow, ShadowLog, candidate_cnn, candidate_of
from deployments.inference.embedded.resolve import resolve
from deployments.inference.language_model import LanguageModel
from deployments.paths import ROOT
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
        self._config, self._candidate = config, candidate
        self._shadow: Shadow | None = None
        self._llm = LanguageModel("guard", config.llm)
        try:
            self._stages = Stages(self._llm, config)
            self._cascade = self._stages.cascade(policy, config.cnn)
            for judge in (self._cascade.judge_by_model, self._cascade.judge_by_embedding):
                await check_canaries(config.canaries, policy, judge)
            self._shadow = self._shadow_of(policy)
        except BaseException:
            self._llm.shutdown()
            raise
        if config.reload_seconds:
            watch = PolicyWatch(Path(resolve(policy_file)), policy)
            self._following = asyncio.create_task(
                follow(watch, config.reload_seconds, self._reword)
            )

    async def screen(self, request: GuardRequest) -> PromptVerdict | Screening:
        """The verdict, where it takes no language model; else what `decide` needs for it."""
        found = await self._cascade.screen(request)
        return self._shadowed(request, found) if isinstance(found, PromptVerdict) else found

    async def decide(self, request: GuardRequest, screening: Screening) -> PromptVerdict:
        """The language model's verdict on a screened prompt. Raises Unavailable without one."""
        return self._shadowed(request, await self._cascade.decide(request, screening))

    async def check_health(self) -> None:
        """Raises when the engine is dead or hangs."""
        await self._llm.check_health()

    def __del__(self) -> None:
        if shadow := getattr(self, "_shadow", None):
            shadow.close()
        if llm := getattr(self, "_llm", None):
            llm.shutdown()

    def _shadowed(self, request: GuardRequest, verdict: PromptVerdict) -> PromptVerdict:
        if self._shadow:
            self._shadow.follow(request, verdict)
        return verdict

    async def _reword(self, policy: Policy) -> None:
        """Takes over a policy with other word lists; threads, since large lists take their time."""
        cascade = await asyncio.to_thread(self._cascade.reworded, policy)
        shadow = await asyncio.to_thread(self._shadow_of, policy)
        before, self._cascade, self._shadow = self._shadow, cascade, shadow
        if before:
            before.close()

    def _shadow_of(self, active: Policy) -> Shadow | None:
        """What `config.shadow` asks for.

        Raises:
            ConfigurationError: the candidate cannot run; an empty report would mislead.
        """
        if (wanted := self._config.shadow) is None:
            return None
        policy = candidate_of(wanted, active, self._candidate)
        cnn = candidate_cnn(wanted, self._config.cnn)
        log = ShadowLog(ROOT / wanted.log, active, policy, cnn)
        judge = self._stages.cascade(policy, cnn).judge
        return Shadow(judge, log, wanted.at_once, wanted.seconds)
