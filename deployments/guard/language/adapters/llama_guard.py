"""Llama Guard 3 and 4: `safe`, or `unsafe` and on the next line the violated categories' codes.

The templates of Llama Guard 3 1B and 11B take `categories`, code -> description. They ask about the
policy's own categories, in the operator's words. A template that ignores `categories` asks about
MLCommons' taxonomy, S1 to S14, and its codes are translated to the policy's categories.
"""

import itertools
from collections.abc import Mapping

from deployments.contracts import Operation
from deployments.errors import ConfigurationError
from deployments.guard.config import GuardConfig
from deployments.guard.language.adapters.chat import ChatAdapter, ChatFrame, judged, own_kinds
from deployments.guard.language.adapters.protocol import Level
from deployments.guard.language.question import described
from deployments.inference.protocols import CausalLM
from deployments.policy import Policy

CHILDREN = "S4"
"""Exploitation of children. Nobody may map it to a category: it is always harm of unknown kind."""
KINDS: dict[str, tuple[str, ...]] = {
    "S1": ("violence",),
    "S2": ("illicit",),
    "S3": ("sex_crimes",),
    CHILDREN: (),
    "S5": ("harassment",),
    "S6": (),  # specialised advice
    "S7": ("privacy",),
    "S8": ("intellectual_property",),
    "S9": ("weapons",),
    "S10": ("hate", "demeaning"),
    "S11": ("self_harm",),
    "S12": ("sexual", "undressing"),
    "S13": ("election",),
    "S14": (),  # abuse of a code interpreter
}


def llama_guard(
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
    if config.llm_categories.get(CHILDREN):
        raise ConfigurationError(f"guard.llm_categories must leave {CHILDREN} alone")
    kinds = own_kinds(KINDS, policy, config)
    codes = _codes(kinds, asked)
    wording = {code: described(policy.categories[name]) for code, name in codes.items()}
    wording[CHILDREN] = "exploitation of children"
    wording = dict(sorted(wording.items(), key=lambda item: int(item[0][1:])))
    frame = ChatFrame(model.tokenizer, operation, config.window, config.overlap, categories=wording)
    if all(text in frame.text for text in wording.values()):
        kinds = {CHILDREN: (), **{code: (name,) for code, name in codes.items()}}
        names = asked
    else:
        names = judged(kinds, policy, asked, set(config.llm_unjudged))
    # The model's turn begins with two line breaks. Most templates end before them.
    lead = "" if frame.text.endswith("\n\n") else "\n\n"
    verdicts: dict[Level, str] = {"safe": f"{lead}safe", "unsafe": f"{lead}unsafe"}
    return ChatAdapter(model, frame, verdicts, "\n", kinds, names)


def _codes(kinds: Mapping[str, tuple[str, ...]], asked: tuple[str, ...]) -> dict[str, str]:
    """Code -> category of the policy. A category has the model's own code, or else a new one."""
    codes: dict[str, str] = {}
    for code, meant in kinds.items():
        free = [name for name in meant if name in asked and name not in codes.values()]
        if free:
            codes[code] = free[0]
    new = (f"S{number}" for number in itertools.count(len(kinds) + 1))
    codes.update(zip(new, [name for name in asked if name not in codes.values()], strict=False))
    return codes
