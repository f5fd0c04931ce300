"""The Ray Serve class of the rewriter."""

from pathlib import Path

import torch
from ray import serve

from deployments.contracts import Rewrite, RewriteRequest
from deployments.inference.embedded.resolve import resolve
from deployments.inference.encoder import TokenEncoder
from deployments.inference.language_model import LanguageModel
from deployments.policy import Policy
from deployments.rewriter.anonymise.anonymiser import Anonymiser
from deployments.rewriter.anonymise.canaries import check_canaries
from deployments.rewriter.anonymise.tagger import Recogniser
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.diversify.diversifier import Diversifier
from deployments.rewriter.revise.ground import Grounder
from deployments.rewriter.revise.one_call import OneCall
from deployments.rewriter.revise.proposal import Proposer
from deployments.rewriter.revise.revision import Reviser
from deployments.rewriter.revise.similarity import Similarity
from deployments.rewriter.revise.soften import Softener
from deployments.rewriter.revise.step_by_step import StepByStep
from deployments.rewriter.revise.template import RewriterTemplate
from deployments.rewriter.rewriter import PromptRewriter


@serve.deployment(name="rewriter")
class RewriterDeployment:
    """Prompt in, safer prompts out. The guard judges what comes out."""

    async def __init__(self, config: RewriterConfig, policy: Policy) -> None:  # type: ignore[misc]
        # Asynchronous only because the engine wants the replica's running loop.
        self._llm = LanguageModel("rewriter", config.llm)
        try:
            torch.set_num_threads(config.threads)
            orders, encoder = policy.manipulations, TokenEncoder()
            similarity = Similarity(encoder, orders.min_similarity)
            recogniser = Recogniser(Path(resolve(config.names)), encoder)
            check_canaries(recogniser)
            self._rewriter = PromptRewriter(
                Anonymiser(recogniser),
                _reviser(self._llm, policy, similarity, config),
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


def _reviser(
    llm: LanguageModel, policy: Policy, similarity: Similarity, config: RewriterConfig
) -> Reviser:
    """The way of asking that `rewriter.llm_format` names.

    Raises:
        ConfigurationError: the model cannot be asked this way.
    """
    if config.llm_format == "instruct":
        return OneCall(llm, policy.categories, similarity, config)
    proposer = Proposer(llm, RewriterTemplate(llm.tokenizer), config)
    return StepByStep(
        Softener(proposer, similarity, config.temperature),
        Grounder(proposer, similarity, config.ground_temperature),
    )
