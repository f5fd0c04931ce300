"""Folders that are made once, and are whole whenever they exist."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """`folder`, filled by `make` in a temporary place first; another maker may win the race."""
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        target = Path(scratch) / folder.name
        target.mkdir()
        make(target)
        try:
            os.rename(target, folder)
        except OSError:  # another process renamed its copy first; ours goes with the scratch
            if not folder.is_dir():
                raise
    return folder
