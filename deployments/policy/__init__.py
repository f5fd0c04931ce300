"""The organisation's policy: one YAML file, and what it extends, validated and hashed.

`python -m deployments.ops.policy check FILE` explains a file's mistakes, each with its line;
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

__all__ = [
    "MINORS",
    "Audit",
    "CNNThresholds",
    "Category",
    "Deadlines",
    "Diversity",
    "EditPolicy",
    "Examples",
    "Manipulations",
    "OutputPolicy",
    "Policy",
    "Shares",
    "Thresholds",
    "load_policy",
]
