"""The Ray Serve class of the rewriter."""

from ray import serve

from deployments.contracts import Rewrite, RewriteRequest
from deployments.llm import LanguageModel
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.soften import Softener
from deployments.rewriter.template import RewriterTemplate


@serve.deployment(name="rewriter")
class RewriterDeployment:
    """Prompt in, softer prompt out. The guard judges what comes out."""

    async def __init__(self, config: RewriterConfig) -> None:  # type: ignore[misc]
        # Asynchronous only because the engine wants the replica's running loop.
        self._llm = LanguageModel("rewriter", config.llm)
        try:
            template = RewriterTemplate(self._llm.tokenizer)
            self._softener = Softener(self._llm, template, config)
        except BaseException:
            self._llm.shutdown()
            raise

    async def rewrite(self, request: RewriteRequest) -> Rewrite:
        """The softened prompt, or no changes. Raises Unavailable when the model cannot answer."""
        return await self._softener.rewrite(request)

    async def check_health(self) -> None:
        """Raises when the engine is dead or hangs."""
        await self._llm.check_health()

    def __del__(self) -> None:
        if llm := getattr(self, "_llm", None):
            llm.shutdown()
