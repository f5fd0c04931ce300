"""Merges low-rank updates into the layers that they belong to: W + alpha / r * B @ A.

LoRA (Hu et al., arXiv:2106.09685). Adapters of language models and of the edit model's U-Net are
merged by the same function, so serving needs no training library.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from deployments.errors import ConfigurationError
from deployments.inference.embedded.folders import made_once

WEIGHTS = "model.safetensors"
ADAPTER = "adapter_model.safetensors"
SETTINGS = "adapter_config.json"
PREFIX = "base_model.model."
"""What the adapter format of language models puts before the base model's parameter names."""
_DOWN, _UP = ".lora_A.", ".lora_B."
_UNSUPPORTED = (
    "use_rslora",
    "use_dora",
    "modules_to_save",
    "rank_pattern",
    "alpha_pattern",
    "fan_in_fan_out",
    "lora_bias",
)
"""Settings that change the sum above."""


def scale_of(settings: Mapping[str, Any]) -> float:
    """alpha / r of an adapter's settings, as the library `peft` writes them.

    Raises:
        ConfigurationError: the settings are not those of a plain LoRA.
    """
    if unsupported := [name for name in _UNSUPPORTED if settings.get(name)]:
        raise ConfigurationError(f"only a plain LoRA can be merged, without {unsupported[0]!r}")
    try:
        return settings["lora_alpha"] / settings["r"]
    except (KeyError, TypeError, ZeroDivisionError) as error:
        raise ConfigurationError(f"a LoRA's settings need 'lora_alpha' and 'r': {error}") from error


def merge(
    layers: Mapping[str, Tensor], updates: Mapping[str, Tensor], scale: float
) -> dict[str, Tensor]:
    """`layers` with the updates added to those that they name.

    The sum is taken in float32 and rounded once to the layer's dtype.

    Args:
        layers: a model's parameters by name; a linear layer's weight has the shape (out, in), a
            convolution's (out, in, height, width).
        updates: for a layer `NAME.weight` the matrices `NAME.lora_A.weight` (r, in[, height,
            width]) and `NAME.lora_B.weight` (out, r[, 1, 1]).
        scale: what each product is multiplied by.

    Raises:
        ConfigurationError: an update is no such pair, or fits no layer.
    """
    merged, left = dict(layers), dict(updates)
    for name in sorted(name for name in updates if _DOWN in name):
        layer, up_name = name.replace(_DOWN, "."), name.replace(_DOWN, _UP)
        if up_name not in left or layer not in merged:
            raise ConfigurationError(f"the update {name!r} belongs to no layer")
        merged[layer] = _added(merged[layer], left.pop(name), left.pop(up_name), scale, name)
    if left:
        raise ConfigurationError(f"{min(left)!r} is no LoRA matrix")
    return merged


def merged_folder(base: Path, adapter: Path, cache: Path) -> Path:
    """A `transformers` folder like `base` with the LoRA in `adapter` merged, made once in `cache`.

    What else lies in the adapter (its calibration, layers on top) is copied. The folder's name has
    the hash of the adapter's files, so a newly trained adapter gets a new folder.

    Raises:
        ConfigurationError: the adapter is no plain LoRA, or a part of it fits nowhere in `base`.
    """
    weights, settings = adapter / ADAPTER, adapter / SETTINGS
    for file in (weights, settings):
        if not file.is_file():
            raise ConfigurationError(f"the adapter lacks {str(file)!r}; train it or fix the path")
    others = sorted(file for file in adapter.iterdir() if file not in (weights, settings))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in (weights, settings, *others)))
    folder = cache / f"{base.name}-{adapter.name}-{digest.hexdigest()[:12]}"

    def make(target: Path) -> None:
        _write_merged(base, adapter, target)
        for file in others:
            shutil.copy2(file, target / file.name)

    return made_once(folder, make)


def _added(weight: Tensor, down: Tensor, up: Tensor, scale: float, name: str) -> Tensor:
    wanted = (*down.shape[1:], len(weight), len(down))
    if wanted != (*weight.shape[1:], *up.shape[:2]) or up[0, 0].numel() != 1:
        raise ConfigurationError(f"the update {name!r} does not fit its layer's shape")
    product = up.float().flatten(1) @ down.float().flatten(1)
    return (weight.float() + scale * product.reshape(weight.shape)).to(weight.dtype)


def _write_merged(base: Path, adapter: Path, target: Path) -> None:
    with safe_open(base / WEIGHTS, framework="pt") as file:
        metadata = file.metadata()
    updates = load_file(adapter / ADAPTER)
    settings = json.loads((adapter / SETTINGS).read_text(encoding="utf-8"))
    named = {name.removeprefix(PREFIX): matrix for name, matrix in updates.items()}
    try:
        merged = merge(load_file(base / WEIGHTS), named, scale_of(settings))
    except ConfigurationError as error:
        raise ConfigurationError(f"{str(adapter)!r} does not fit {base.name!r}: {error}") from error
    for other in base.iterdir():
        if other.is_file() and other.name != WEIGHTS:
            shutil.copy2(other, target / other.name)
    save_file(merged, target / WEIGHTS, metadata=metadata)
