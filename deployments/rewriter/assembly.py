"""Puts the rewriter together from its configuration, the policy and a running language model."""

from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

from deployments.inference.embedded.resolve import resolve
from deployments.inference.encoder import TokenEncoder
from deployments.policy import Policy
from deployments.rewriter.anonymise.anonymiser import Anonymiser
from deployments.rewriter.anonymise.canaries import check_canaries
from deployments.rewriter.anonymise.tagger import Recogniser
from deployments.rewriter.config import RewriterConfig
from deployments.rewriter.diversify.diversifier import Diversifier
from deployments.rewriter.revise.ground import Grounder
from deployments.rewriter.revise.one_call import InstructModel, OneCall
from deployments.rewriter.revise.proposal import Proposer
from deployments.rewriter.revise.revision import Reviser
from deployments.rewriter.revise.similarity import Similarity
from deployments.rewriter.revise.soften import Softener
from deployments.rewriter.revise.step_by_step import StepByStep
from deployments.rewriter.revise.template import RewriterTemplate
from deployments.rewriter.rewriter import PromptRewriter


def assembled(
    llm: InstructModel, encoder: TokenEncoder, config: RewriterConfig, policy: Policy
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
    diversity = policy.manipulations.diversify
    similarity = Similarity(encoder, policy.manipulations.min_similarity, thread)
    return PromptRewriter(
        _anonymiser(encoder, config, thread) if anonymises(policy) else None,
        _reviser(llm, policy, similarity, config),
        Diversifier(diversity) if diversity else None,
        thread,
    )


def anonymises(policy: Policy) -> bool:
    """Whether `policy` ever has a prompt anonymised."""
    kinds = {category.rewrite for category in policy.categories.values()}
    return policy.manipulations.anonymise or "anonymise" in kinds


def _anonymiser(encoder: TokenEncoder, config: RewriterConfig, thread: Executor) -> Anonymiser:
    recogniser = Recogniser(Path(resolve(config.names)), encoder)
    thread.submit(check_canaries, recogniser).result()
    return Anonymiser(recogniser)


def _reviser(
    llm: InstructModel, policy: Policy, similarity: Similarity, config: RewriterConfig
) -> Reviser:
    """The way of asking that `rewriter.llm_format` names."""
    if config.llm_format == "instruct":
        return OneCall(llm, policy.categories, similarity, config)
    proposer = Proposer(llm, RewriterTemplate(llm.tokenizer), config)
    return StepByStep(
        Softener(proposer, similarity, config.temperature),
        Grounder(proposer, similarity, config.ground_temperature),
    )
