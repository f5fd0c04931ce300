"""Weights to ship."""

import os
import tempfile
from pathlib import Path

import torch
from diffusers import ModelMixin


def ship(model: ModelMixin, folder: Path) -> None:
    """Writes `model` in bf16 as a diffusers folder; each file is replaced in one move.

    The model itself is left in bf16.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        torch.nn.Module.to(model, torch.bfloat16)  # diffusers' own `to` warns for no reason
        model.save_pretrained(scratch)
        for file in Path(scratch).iterdir():
            os.replace(file, folder / file.name)
