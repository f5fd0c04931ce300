"""How the guard's language model is asked and read: one adapter for each answer format."""

from deployments.contracts import Operation
from deployments.guard.config import GuardConfig
from deployments.guard.language.adapters.llama_guard import llama_guard
from deployments.guard.language.adapters.protocol import Adapter
from deployments.guard.language.adapters.qwen3_guard import qwen3_guard
from deployments.guard.language.adapters.safelight import SafelightAdapter
from deployments.inference.protocols import CausalLM
from deployments.policy import Policy


def adapter_for(
    model: CausalLM, policy: Policy, operation: Operation, config: GuardConfig
) -> Adapter | None:
    """The adapter that `guard.llm_format` names; None if no category applies to the operation.

    Raises:
        ConfigurationError: the model cannot be asked this way, or not about this policy.
    """
    categories = {n: c for n, c in policy.categories.items() if operation in c.operations}
    adapter: Adapter
    if not categories:
        return None
    if config.llm_format == "llama_guard":
        adapter = llama_guard(model, policy, operation, tuple(categories), config)
    elif config.llm_format == "qwen3_guard":
        adapter = qwen3_guard(model, policy, operation, tuple(categories), config)
    else:
        narrowed = policy.model_copy(update={"categories": categories})
        adapter = SafelightAdapter(model, narrowed, config)
    return adapter
