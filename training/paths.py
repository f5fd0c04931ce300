"""Where training finds and leaves things."""

from deployments.paths import ROOT, SHIPPED

MODELS = SHIPPED
"""Weights that ship, one folder a model."""
CACHE = ROOT / ".cache"
"""What can be made again: assembled pipelines and base models."""
CHECKPOINTS = CACHE / "training"
"""Checkpoints, and the data sets that were drawn and encoded."""
RUNS = ROOT / "runs"
"""Checkpoints of the adapters, and contact sheets."""
