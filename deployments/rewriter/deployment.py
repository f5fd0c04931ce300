"""The Ray Serve class of the rewriter."""

import torch
from ray import serve

from deployments.contracts import Rewrite, RewriteRequest
from deployments.inference.encoder import TokenEncoder
from deployments.inference.language_model import LanguageModel
from deployments.policy import Policy
from deployments.rewriter.assembly import assembled
from deployments.rewriter.config import RewriterConfig


@serve.deployment(name="rewriter")
class RewriterDeployment:
    """Prompt in, safer prompts out. The guard judges what comes out."""

    async def __init__(self, config: RewriterConfig, policy: Policy) -> None:  # type: ignore[misc]
        # Asynchronous only because the engine wants the replica's running loop.
        self._llm = LanguageModel("rewriter", config.llm)
        try:
            torch.set_num_threads(config.threads)
            self._rewriter = assembled(self._llm, TokenEncoder(), config, policy)
        except BaseException:
            self._llm.shutdown()
            raise

    async def rewrite(self, request: RewriteRequest) -> Rewrite:
        """The safer prompts. Raises Unavailable when the model cannot answer."""
        return await self._rewriter.rewrite(request)

    async def check_health(self) -> None:
        """Raises when the engine is dead or hangs."""
        await self._llm.check_health()

    def __del__(self) -> None:
        if llm := getattr(self, "_llm", None):
            llm.shutdown()
