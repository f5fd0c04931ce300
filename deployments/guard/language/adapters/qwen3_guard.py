"""Qwen3Guard-Gen: `Safety:` with one of three levels, then `Categories:` with names of its own.

Its template has nine fixed categories, which are translated to the policy's.
"""

from deployments.contracts import Operation
from deployments.guard.config import GuardConfig
from deployments.guard.language.adapters.chat import ChatAdapter, ChatFrame, judged, own_kinds
from deployments.guard.language.adapters.protocol import Level
from deployments.inference.protocols import CausalLM
from deployments.policy import Policy

KINDS: dict[str, tuple[str, ...]] = {
    "Violent": ("violence", "weapons"),
    "Non-violent Illegal Acts": ("illicit",),
    "Sexual Content or Sexual Acts": ("sexual", "sex_crimes", "undressing"),
    "PII": ("privacy",),
    "Suicide & Self-Harm": ("self_harm",),
    "Unethical Acts": ("hate", "harassment", "demeaning"),
    "Politically Sensitive Topics": ("election",),
    "Copyright Violation": ("intellectual_property",),
    "Jailbreak": (),
}
VERDICTS: dict[Level, str] = {
    "safe": "Safety: Safe",
    "controversial": "Safety: Controversial",
    "unsafe": "Safety: Unsafe",
}


def qwen3_guard(
    model: CausalLM,
    policy: Policy,
    operation: Operation,
    asked: tuple[str, ...],
    config: GuardConfig,
) -> ChatAdapter:
    """
    Raises:
        ConfigurationError: the model cannot be asked this way, or not about this policy.
    """
    kinds = own_kinds(KINDS, policy, config)
    names = judged(kinds, policy, asked, set(config.llm_unjudged))
    frame = ChatFrame(model.tokenizer, operation, config.window, config.overlap)
    return ChatAdapter(model, frame, VERDICTS, "\nCategories:", kinds, names)
