"""The organisation's policy: a YAML file and those that it names, joined, validated and hashed.

`python -m deployments.ops.policy check FILE` explains the mistakes of a file, each with its line.
`python -m deployments.ops.policy diff A B PROMPTS` lists the decisions that differ between two.
"""

from deployments.policy.document import (
    MINORS,
    Audit,
    Category,
    CNNThresholds,
    Deadlines,
    Diversity,
    EditPolicy,
    Examples,
    Manipulations,
    OutputPolicy,
    Policy,
    Shares,
    Thresholds,
)
from deployments.policy.loading import load_policy
from deployments.policy.reasons import Changes, Kinds, Reasons

__all__ = [
    "MINORS",
    "Audit",
    "CNNThresholds",
    "Category",
    "Changes",
    "Deadlines",
    "Diversity",
    "EditPolicy",
    "Examples",
    "Kinds",
    "Manipulations",
    "OutputPolicy",
    "Policy",
    "Reasons",
    "Shares",
    "Thresholds",
    "load_policy",
]
