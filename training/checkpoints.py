"""What all trainings share: where things lie and by which name, a budget of time, checkpoints."""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from deployments.paths import ROOT, SHIPPED

MODELS = SHIPPED
CACHE = ROOT / ".cache"
CHECKPOINTS = CACHE / "training"


def fingerprint(*models: str) -> str:
    """Eight hex digits that change with the shipped weights of picture models in `MODELS`.

    "encoder" is the autoencoder's half that makes latents: they stay when its decoder is tuned.
    """
    digest = hashlib.sha256()
    for model in models:
        name = "vae" if model == "encoder" else model
        files = sorted((MODELS / name).glob("*.safetensors"))
        weights = {key: value for file in files for key, value in load_file(file).items()}
        for key in sorted(weights):
            if model != "encoder" or key.startswith(("encoder.", "quant_conv.")):
                digest.update(weights[key].flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:8]


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a function of training time: warm-up, constant, linear decay to zero.

    Times are seconds of training in all, earlier runs counted in. A longer budget given to a
    resumed run simply moves the decay further away.
    """

    rate: float
    budget: float
    warmup: float = 30.0
    decay_share: float = 0.25

    def at(self, elapsed: float) -> float:
        """The learning rate after `elapsed` seconds."""
        left = max(0.0, self.budget - elapsed) / (self.decay_share * self.budget)
        return self.rate * min(1.0, left, (elapsed + 1) / self.warmup)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes `state` beside `path` and renames, so that a kill never leaves half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        torch.save(state, Path(scratch) / path.name)
        os.replace(Path(scratch) / path.name, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads what `save_checkpoint` wrote, tensors on the CPU."""
    return torch.load(path, map_location="cpu", weights_only=True)
