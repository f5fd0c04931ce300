"""The embedded edit pipeline: the text-to-image one with a wider first layer and low-rank updates.

The repository ships a first layer and low-rank updates (LoRA). `assemble` merges them into the
U-Net and writes an ordinary folder of an InstructPix2Pix pipeline (arXiv:2211.09800), which
`DiffusionPipeline.from_pretrained` loads.
"""

import hashlib
import json
import shutil
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from deployments.errors import ConfigurationError
from deployments.inference.embedded.folders import made_once
from deployments.inference.embedded.lora import merge, scale_of

INPUT_LAYER = "conv_in.safetensors"
UPDATES = "pytorch_lora_weights.safetensors"
"""As diffusers names the low-rank updates of a model."""
_SETTINGS = "lora_adapter_metadata"
"""Where diffusers keeps the updates' settings in the file's metadata."""
_FAMILY = "StableDiffusionInstructPix2PixPipeline"


def widened(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """Gives the first layer of a U-Net, in place, twice the input channels: for a picture's latent
    beside the noisy one. The new channels' weights are zero, so the output stays what it was.
    """
    old = unet.conv_in
    new = nn.Conv2d(2 * old.in_channels, old.out_channels, old.kernel_size, padding=old.padding)
    nn.init.zeros_(new.weight)
    new.weight.data[:, : old.in_channels] = old.weight.data
    if new.bias is not None and old.bias is not None:
        new.bias.data = old.bias.data.clone()
    unet.conv_in = new
    unet.register_to_config(in_channels=2 * old.in_channels)
    return unet


def assemble(pipeline: Path, shipped: Path, cache: Path) -> Path:
    """The edit pipeline's folder under `cache`; made on first use (170 MB, a few seconds).

    Args:
        pipeline: the text-to-image pipeline's folder.
        shipped: the folder with the first layer and the updates.

    Raises:
        ConfigurationError: a file is missing, or does not fit the U-Net.
    """
    digest = hashlib.sha256(pipeline.name.encode())
    try:
        for name in (INPUT_LAYER, UPDATES):
            digest.update((shipped / name).read_bytes())
    except OSError as error:
        raise ConfigurationError(f"the edit model lacks a file: {error}") from error
    folder = cache / f"edit-{digest.hexdigest()[:12]}"
    return made_once(folder, lambda target: _fill(target, pipeline, shipped))


def _fill(target: Path, pipeline: Path, shipped: Path) -> None:
    for part in ("scheduler", "text_encoder", "tokenizer", "vae"):
        shutil.copytree(pipeline / part, target / part)
    index = json.loads((pipeline / "model_index.json").read_text(encoding="utf-8"))
    index["_class_name"] = _FAMILY
    (target / "model_index.json").write_text(json.dumps(index, indent=2), encoding="utf-8")
    unet = UNet2DConditionModel.from_pretrained(pipeline / "unet", torch_dtype=torch.float32)
    updates = load_file(shipped / UPDATES)
    try:
        widened(unet).conv_in.load_state_dict(_wide(load_file(shipped / INPUT_LAYER)))
        unet.load_state_dict(merge(unet.state_dict(), updates, _scale(shipped)))
    except (RuntimeError, ConfigurationError) as error:
        raise ConfigurationError(f"{str(shipped)!r} does not fit the U-Net: {error}") from error
    unet.save_pretrained(target / "unet")


def _wide(layer: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value.float() for name, value in layer.items()}


def _scale(shipped: Path) -> float:
    with safe_open(shipped / UPDATES, framework="pt") as file:
        metadata = file.metadata() or {}
    return scale_of(json.loads(metadata.get(_SETTINGS, "{}")))
