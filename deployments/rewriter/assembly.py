"""Puts the rewriter together from its configuration, the policy and a running language model."""

from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from deployments.inference.embedded.resolve import resolve
from deployments.inference.encoder import TokenEncoder
from deployments.inference.protocols import CausalLM
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


def assembled(
    llm: CausalLM, encoder: TokenEncoder, config: RewriterConfig, policy: Policy
) -> PromptRewriter:
    """The rewriter that `policy` needs.

    Args:
        encoder: used on one thread from here on, as its tokenizer is not thread-safe.

    Raises:
        ConfigurationError: the model cannot be asked as `config` says, or the tagger of names
            fails its canaries.
    """
    # More threads would only take the core from one another and from the engine.
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="encoder")
    diversity, reasons = policy.manipulations.diversify, policy.reasons
    similarity = Similarity(encoder, policy.manipulations.min_similarity, thread)
    return PromptRewriter(
        _anonymiser(encoder, policy, config, thread) if anonymises(policy) else None,
        _reviser(llm, policy, similarity, config),
        Diversifier(diversity, reasons.changes) if diversity else None,
        thread,
        reasons.kinds,
    )


def anonymises(policy: Policy) -> bool:
    """Whether `policy` ever has a prompt anonymised."""
    kinds = {category.rewrite for category in policy.categories.values()}
    return policy.manipulations.anonymise or "anonymise" in kinds


def _anonymiser(
    encoder: TokenEncoder, policy: Policy, config: RewriterConfig, thread: Executor
) -> Anonymiser:
    recogniser = Recogniser(Path(resolve(config.names)), encoder)
    thread.submit(check_canaries, recogniser).result()
    return Anonymiser(recogniser, policy.reasons.changes)


def _reviser(
    llm: CausalLM, policy: Policy, similarity: Similarity, config: RewriterConfig
) -> Reviser:
    """The way of asking that `rewriter.llm_format` names."""
    if config.llm_format == "instruct":
        return OneCall(llm, policy, similarity, config)
    proposer = Proposer(llm, RewriterTemplate(llm.tokenizer), config)
    return StepByStep(
        Softener(proposer, similarity, config.temperature, policy),
        Grounder(proposer, similarity, config.ground_temperature, policy.reasons.changes),
    )
