"""Append-only files of JSON lines that several replicas may write to.

A line is one `write` on a descriptor opened with O_APPEND, so the lines of several processes do not
interleave on a local file system.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from deployments.errors import ConfigurationError


def open_log(path: Path) -> int:
    """A descriptor to append to; the file is readable by its owner only.

    Raises:
        ConfigurationError: the file cannot be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigurationError(f"cannot open the log {str(path)!r}: {error}") from error


def append(descriptor: int, record: dict[str, Any]) -> None:
    """Writes one record as a line.

    Raises:
        OSError: it was not written completely.
    """
    data = (json.dumps(record, ensure_ascii=True) + "\n").encode()
    if os.write(descriptor, data) != len(data):
        raise OSError("the line was written only in part")


def prompt_digest(prompt: str) -> str:
    """SHA-256 of a prompt in UTF-8, as hex digits."""
    # The edge refuses lone surrogates; with "surrogatepass" even those can be logged.
    return hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()
