"""Command-line options of the training scripts: one name, type and meaning in all of them."""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployments.paths import ROOT

REQUIRED = object()
"""As a default: the option must be given."""
POLICY = ROOT / "configs" / "policies" / "default.yaml"

_KNOWN: Mapping[str, dict[str, Any]] = {
    "corpora": {"type": Path, "help": "folder of the public prompt sets (training/README.md)"},
    "policy": {"type": Path, "help": "whose categories are learned"},
    "minutes": {"type": float, "help": "length of the training in all; CPU time on a CPU"},
    "steps": {"type": int, "help": "most steps of the training"},
    "rate": {"type": float, "help": "peak learning rate"},
    "batch": {"type": int, "help": "examples in a step; packs in a step of a language model"},
    "count": {"type": int, "help": "size of the drawn training set"},
    "remade": {"type": int, "help": "examples that the U-Net re-makes; 0 leaves it out"},
    "seed": {"type": int, "help": "of the drawn examples and the weights at the start"},
    "workers": {"type": int, "help": "processes that make batches; 0 makes them in this one"},
    "threads": {"type": int, "help": "threads of torch"},
    "device": {"help": "as torch names it, e.g. cuda"},
    "resume": {"action": "store_true", "help": "go on from the last checkpoint"},
    "cache": {"type": Path, "help": "folder of what can be made again"},
    "run": {"type": Path, "help": "folder of the checkpoints"},
    "out": {"type": Path, "help": "what is written: a model's folder, or a picture"},
}


def options(description: str | None, **defaults: object) -> argparse.ArgumentParser:
    """A parser of the options that are named, with these defaults.

    Args:
        defaults: option -> default; `REQUIRED` for none. `out` is `--out` or `--output`.

    Raises:
        KeyError: no such option; a script adds its own to the parser.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawTextHelpFormatter
    )
    for name, default in defaults.items():
        flags = ("--out", "--output") if name == "out" else (f"--{name}",)
        needed = {"required": True} if default is REQUIRED else {"default": default}
        parser.add_argument(*flags, **_KNOWN[name], **needed)
    return parser
