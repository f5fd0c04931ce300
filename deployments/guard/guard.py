"""The guard as it serves: the cascade under the active policy, and a candidate that shadows it."""

import asyncio

from deployments.contracts import GuardRequest, PromptVerdict, Screening
from deployments.guard.canaries import check_canaries
from deployments.guard.config import GuardConfig
from deployments.guard.models import GuardModels
from deployments.guard.shadow.shadow import Shadow, ShadowLog, candidate_cnn, candidate_of
from deployments.paths import ROOT
from deployments.policy import Policy


class Guard:
    """Judges prompts, and follows the policy's word lists."""

    def __init__(
        self,
        models: GuardModels,
        config: GuardConfig,
        policy: Policy,
        candidate: Policy | None = None,
    ) -> None:
        """
        Args:
            candidate: the policy of `config.shadow`, if it names one.

        Raises:
            ConfigurationError: the policy does not fit the models, or the shadow cannot run.
        """
        self._models, self._config, self._candidate = models, config, candidate
        self._policy = policy
        self._cascade = models.cascade(policy, config.cnn)
        self._shadow = self._shadow_of(policy)

    async def check_canaries(self) -> None:
        """Raises ConfigurationError when a model misjudges a prompt whose answer is known."""
        for judge in (self._cascade.judge_by_model, self._cascade.judge_by_embedding):
            await check_canaries(self._config.canaries, self._policy, judge)

    async def screen(self, request: GuardRequest) -> PromptVerdict | Screening:
        """The verdict, where it takes no language model; else what `decide` needs for it."""
        found = await self._cascade.screen(request)
        return self._shadowed(request, found) if isinstance(found, PromptVerdict) else found

    async def decide(self, request: GuardRequest, screening: Screening) -> PromptVerdict:
        """The language model's verdict on a screened prompt. Raises Unavailable without one."""
        return self._shadowed(request, await self._cascade.decide(request, screening))

    async def reword(self, policy: Policy) -> None:
        """Takes over a policy that differs in word lists alone, without a pause."""
        # Threads, since large lists take their time.
        cascade = await asyncio.to_thread(self._cascade.reworded, policy)
        shadow = await asyncio.to_thread(self._shadow_of, policy)
        before, self._policy, self._cascade, self._shadow = self._shadow, policy, cascade, shadow
        if before:
            before.close()

    def close(self) -> None:
        """Ends the shadow's log."""
        if self._shadow:
            self._shadow.close()

    def _shadowed(self, request: GuardRequest, verdict: PromptVerdict) -> PromptVerdict:
        if self._shadow:
            self._shadow.follow(request, verdict)
        return verdict

    def _shadow_of(self, active: Policy) -> Shadow | None:
        """What `config.shadow` asks for.

        Raises:
            ConfigurationError: the candidate cannot run; an empty report would mislead.
        """
        if (wanted := self._config.shadow) is None:
            return None
        policy = candidate_of(wanted, active, self._candidate)
        cnn = candidate_cnn(wanted, self._config.cnn)
        judge = self._models.cascade(policy, cnn).judge
        log = ShadowLog(ROOT / wanted.log, active, policy, cnn)
        return Shadow(judge, log, wanted.at_once, wanted.seconds)
