"""Writes the `serveConfigV2` of each overlay from the configuration file of the same name.

    python -m k8s.render

A configuration is written for one machine. In a cluster the proxies run on every node with a
replica and listen on all interfaces, and the logs are read by machines; all else stays as it is.
"""

import sys
from pathlib import Path
from typing import Any

import yaml

from deployments.ops.serve_config import check_serve_config, read_serve_config

OVERLAYS = Path(__file__).parent / "overlays"
CONFIGS = Path(__file__).parent.parent / "configs"
PATCH = "serve-config.yaml"
HEADER = "# Written by `make k8s` from configs/{name}.yaml; edit that file instead.\n"
IN_CLUSTER: dict[str, Any] = {
    "proxy_location": "EveryNode",
    "http_options": {"host": "0.0.0.0", "port": 8000},
    "logging_config": {"encoding": "JSON", "log_level": "WARNING"},
}


class _Block(str):
    """A text that YAML shows line by line."""


class _Dumper(yaml.SafeDumper):
    """Writes `_Block` as a literal block, and repeats what a configuration shares by anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Dumper.add_representer(
    _Block,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"),
)


def serve_config(config: Path) -> str:
    """The text of `serveConfigV2` for a configuration file.

    Raises:
        ConfigurationError: the file is no valid Serve configuration, or has unknown keys.
    """
    content = read_serve_config(config) | IN_CLUSTER
    check_serve_config(content, repr(str(config)))
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, width=100)


def patch(config: Path) -> str:
    """The overlay's patch: nothing but the RayService's `serveConfigV2`."""
    document = {
        "apiVersion": "ray.io/v1",
        "kind": "RayService",
        "metadata": {"name": "safelight"},
        "spec": {"serveConfigV2": _Block(serve_config(config))},
    }
    return HEADER.format(name=config.stem) + yaml.dump(document, Dumper=_Dumper, sort_keys=False)


def main() -> int:
    for overlay in sorted(folder for folder in OVERLAYS.iterdir() if folder.is_dir()):
        text = patch(CONFIGS / f"{overlay.name}.yaml")
        (overlay / PATCH).write_text(text, encoding="utf-8")
        print(f"k8s/overlays/{overlay.name}/{PATCH}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
