"""Weights that ship: written in one move, and told apart by a fingerprint."""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from diffusers import ModelMixin
from safetensors.torch import load_file, save_file
from torch import Tensor

from training.checkpoints import replacing
from training.paths import MODELS


def write(path: Path, weights: Mapping[str, Tensor], dtype: torch.dtype = torch.bfloat16) -> None:
    """Writes a safetensors file, floating-point tensors as `dtype`, the others as they are."""
    ready = {
        name: (value.to(dtype) if value.is_floating_point() else value).detach().cpu().contiguous()
        for name, value in weights.items()
    }
    with replacing(path) as scratch:
        save_file(ready, scratch, metadata={"format": "pt"})


def ship(model: ModelMixin, folder: Path) -> None:
    """Writes `model` in bfloat16 as a diffusers folder; each file is replaced in one move.

    The model itself is left in bfloat16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        torch.nn.Module.to(model, torch.bfloat16)  # diffusers' own `to` warns for no reason
        model.save_pretrained(scratch)
        for file in Path(scratch).iterdir():
            file.replace(folder / file.name)


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
