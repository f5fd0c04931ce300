"""Makes a folder once, so that a folder that exists is whole."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Returns `folder`. If it does not exist, `make` fills a temporary one, which is then renamed.

    Several processes may make the same folder at once: the first to rename wins, and what the
    others made is deleted.
    """
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
