"""Checkpoints of a training, and files that a kill cannot leave half written."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A scratch path to write to; what lies there at the end becomes `path` in one move.

    Folders on the way to `path` are made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        scratch = Path(folder) / path.name
        yield scratch
        os.replace(scratch, path)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes `state`: tensors, numbers, strings, and containers of them."""
    with replacing(path) as scratch:
        torch.save(state, scratch)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads what `save_checkpoint` wrote, tensors on the CPU."""
    return torch.load(path, map_location="cpu", weights_only=True)
