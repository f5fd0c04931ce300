"""The Ray Serve class of the rewriter."""

from pathlib import Path

import torch
from ray import serve

from deployments.contracts import Rewrite, RewriteRequest
from deployments.embedded.resolve import resolve
from deployments.encoder import TokenEncoder
from deployments.llm import LanguageModel
from deployments.policy import Policy
from deployments.rewriter.anonymise import Anonymiser
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.diversify import Diversifier
from deployments.rewriter.ground import Grounder
from deployments.rewriter.names import Recogniser
from deployments.rewriter.proposal import Proposer
from deployments.rewriter.rewriter import PromptRewriter
from deployments.rewriter.similarity import Similarity
from deployments.rewriter.soften import Softener
from deployments.rewriter.template import RewriterTemplate


@serve.deployment(name="rewriter")
class RewriterDeployment:
    """Prompt in, safer prompts out. The guard judges what comes out."""

    async def __init__(self, config: RewriterConfig, policy: Policy) -> None:  # type: ignore[misc]
        # Asynchronous only because the engine wants the replica's running loop.
        self._llm = LanguageModel("rewriter", config.llm)
        try:
            torch.set_num_threads(config.threads)
            orders, encoder = policy.manipulations, TokenEncoder()
            proposer = Proposer(self._llm, RewriterTemplate(self._llm.tokenizer), config)
            similarity = Similarity(encoder, orders.min_similarity)
            self._rewriter = PromptRewriter(
                Anonymiser(Recogniser(Path(resolve(config.names)), encoder)),
                Softener(proposer, similarity, config.temperature),
                Grounder(proposer, similarity, config.ground_temperature),
                Diversifier(orders.diversify) if orders.diversify else None,
            )
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
