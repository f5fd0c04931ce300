"""The Ray Serve class of the guard."""

from ray import serve

from deployments.contracts import GuardRequest, PromptVerdict
from deployments.embedded.resolve import ROOT
from deployments.guard.canaries import check_canaries
from deployments.guard.config import GuardConfig
from deployments.guard.shadow import Shadow, ShadowLog, candidate_cnn, candidate_of
from deployments.guard.stages import Stages
from deployments.llm import LanguageModel
from deployments.policy import Policy


@serve.deployment(name="guard")
class GuardDeployment:
    """Prompt in, verdict out. Ready only when it has judged its canaries right."""

    async def __init__(  # type: ignore[misc]
        self, config: GuardConfig, policy: Policy, candidate: Policy | None = None
    ) -> None:
        """`candidate` is the policy of `config.shadow`, if it names one."""
        self._shadow: Shadow | None = None
        self._llm = LanguageModel("guard", config.llm)
        try:
            stages = Stages(self._llm, config)
            self._cascade = stages.cascade(policy, config.cnn)
            for judge in (self._cascade.judge_by_model, self._cascade.judge_by_embedding):
                await check_canaries(config.canaries, policy, judge)
            self._shadow = _shadow(stages, config, policy, candidate)
        except BaseException:
            self._llm.shutdown()
            raise

    async def judge(self, request: GuardRequest) -> PromptVerdict:
        """The verdict on a prompt. Raises Unavailable when there is none."""
        verdict = await self._cascade.judge(request)
        if self._shadow:
            self._shadow.follow(request, verdict)
        return verdict

    async def check_health(self) -> None:
        """Raises when the engine is dead or hangs."""
        await self._llm.check_health()

    def __del__(self) -> None:
        if shadow := getattr(self, "_shadow", None):
            shadow.close()
        if llm := getattr(self, "_llm", None):
            llm.shutdown()


def _shadow(
    stages: Stages, config: GuardConfig, active: Policy, candidate: Policy | None
) -> Shadow | None:
    """What `config.shadow` asks for.

    Raises:
        ConfigurationError: the candidate cannot run; an empty report would mislead.
    """
    if (wanted := config.shadow) is None:
        return None
    policy, cnn = candidate_of(wanted, active, candidate), candidate_cnn(wanted, config.cnn)
    log = ShadowLog(ROOT / wanted.log, active, policy, cnn)
    return Shadow(stages.cascade(policy, cnn).judge, log, wanted.at_once, wanted.seconds)
