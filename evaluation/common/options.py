"""The options that all measurements and strips understand."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from deployments.paths import ROOT

CONFIG = ROOT / "configs" / "miniature.yaml"


@dataclass(frozen=True)
class Options:
    """What a run may be told.

    Attributes:
        config: a Serve configuration file.
        threads: CPU threads of torch, whatever the file says.
        seed: is added to a measurement's own seeds.
        count: cases of each kind, for a trial; None: as many as the measurement wants.
        url: of a running service that is asked over HTTP; None: the services in this process.
        corpora: folder of the public prompt sets.
    """

    config: Path = CONFIG
    threads: int = 1
    seed: int = 0
    count: int | None = None
    url: str | None = None
    corpora: Path | None = None

    def of(self, wanted: int) -> int:
        """How many cases of a kind there are to be, where the measurement wants `wanted`."""
        return wanted if self.count is None else min(self.count, wanted)

    @property
    def has(self) -> frozenset[str]:
        """What a measurement may need and this run has."""
        return frozenset(name for name in ("corpora", "url") if getattr(self, name) is not None)

    @property
    def config_name(self) -> str:
        """The configuration relative to the repository; of one outside the name alone."""
        path = self.config.resolve()
        return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name

    @property
    def said(self) -> str:
        """The options that differ from the defaults, without any path of this machine."""
        given = {
            "--config": None if self.config == CONFIG else self.config_name,
            "--threads": None if self.threads == 1 else self.threads,
            "--seed": self.seed or None,
            "--count": self.count,
            "--url": self.url and "URL",
            "--corpora": self.corpora and "FOLDER",
        }
        return "".join(f" {name} {value}" for name, value in given.items() if value is not None)


def parent() -> argparse.ArgumentParser:
    """The parser that every command of evaluation extends."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--config", type=Path, default=CONFIG, help="Serve configuration file")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--seed", type=int, default=0, help="added to the seeds")
    parser.add_argument("--count", type=int, help="cases of each kind: makes the run a trial")
    parser.add_argument("--url", help="a running service; without it, services in this process")
    parser.add_argument("--corpora", type=Path, help="folder of the public prompt sets")
    return parser


def options_of(args: argparse.Namespace) -> Options:
    """The options among parsed arguments."""
    return Options(args.config, args.threads, args.seed, args.count, args.url, args.corpora)
