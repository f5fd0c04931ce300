"""What tests of configurations share: the application of a file, and changes written over it."""

from pathlib import Path

from deployments.ops.serve_config import read_serve_config


def application(path: Path) -> dict:
    """The only application of a Serve configuration."""
    (only,) = read_serve_config(path)["applications"]
    return only


def merged(base: dict, changes: dict) -> dict:
    """`base` with `changes` written over it, at every depth."""
    return base | {
        key: merged(base[key], value)
        if isinstance(base.get(key), dict) and isinstance(value, dict)
        else value
        for key, value in changes.items()
    }
