"""Pins all packages that set-up installs: `make lock` writes cpu.txt, gpu.txt and dev.txt.

    python -m requirements.lock [--upgrade | --check | --check-header]

`uv pip compile` resolves the tables of pyproject.toml for Python 3.11 to 3.13 on x86-64 Linux. An
image installs cpu.txt or gpu.txt alone. dev.txt has only what tests, training and evaluation need
besides cpu.txt, so they run on the packages that are shipped. torch has no hash, because its CPU
build comes from different places. A pin changes where pyproject.toml demands it, or with
`--upgrade`.
"""

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.markers import Marker

FOLDER = Path(__file__).resolve().parent
PROJECT = FOLDER.parent / "pyproject.toml"
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORM = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
WITHOUT_HASH = ("torch",)
CPU_LINKS = "UV_FIND_LINKS"
"""The environment variable that says where torch's CPU build lies."""
HEADER = """\
# Written by `make lock` from pyproject.toml; do not edit.
# dependencies: {}
"""


@dataclass(frozen=True)
class Pin:
    """One version of a package, the Python versions that install it, and the packages that want it.

    Its text is its entry in a requirements file.
    """

    name: str
    version: str
    pythons: tuple[str, ...]
    hashes: tuple[str, ...]
    wanted_by: str

    def __str__(self) -> str:
        named = " or ".join(f"python_version == '{python}'" for python in self.pythons)
        marker = "" if self.pythons == PYTHONS else f" ; {named}"
        hashes = "".join(f" \\\n    --hash={value}" for value in self.hashes)
        return f"{self.name}=={self.version}{marker}{hashes}\n    # via {self.wanted_by}\n"


def digest(project: Path = PROJECT) -> str:
    """A hash of what the pins follow from: the dependency tables and what uv is told of them."""
    content = tomllib.loads(project.read_text(encoding="utf-8"))
    keys = ("requires-python", "dependencies", "optional-dependencies")
    tables = [*(content["project"][key] for key in keys), content["tool"]["uv"]]
    return hashlib.sha256(json.dumps(tables, sort_keys=True).encode()).hexdigest()[:16]


def parse(requirements: str) -> Iterator[Pin]:
    """The pins in a requirements file that any of `PYTHONS` installs.

    Raises:
        ValueError: an entry pins no version.
    """
    for entry in re.split(r"\n(?=\S)", requirements.strip()):
        if entry.startswith("#"):
            continue
        found = re.match(r"([\w.-]+)(?:\[.*?\])?==([^\s;]+)(?: ; ([^\\\n]+))?", entry)
        if found is None:
            raise ValueError(f"no pin: {entry!r}")
        name, version, marker = found.groups()
        hashes = () if name in WITHOUT_HASH else tuple(re.findall(r"--hash=(\S+)", entry))
        wanted_by = re.search(r"# via (.+)", entry)
        if pythons := tuple(python for python in PYTHONS if _installs(marker, python)):
            yield Pin(name, version, pythons, hashes, wanted_by[1] if wanted_by else "")


def locked(upgrade: bool = False) -> dict[str, str]:
    """The content of each requirements file by the file's name.

    Raises:
        subprocess.CalledProcessError: no versions fit together; uv has said why.
    """
    everything = _compiled("cpu", "dev", "train", prefer=[] if upgrade else _pins("cpu", "dev"))
    shipped = _compiled("cpu", prefer=everything)
    known = {(pin.name, pin.version, pin.pythons) for pin in shipped}
    more = [pin for pin in everything if (pin.name, pin.version, pin.pythons) not in known]
    gpu = _compiled("gpu", prefer=[] if upgrade else _pins("gpu"))
    header, files = HEADER.format(digest()), {"cpu": shipped, "gpu": gpu, "dev": more}
    return {f"{name}.txt": header + "".join(map(str, pins)) for name, pins in files.items()}


def stale(expected: dict[str, str]) -> list[str]:
    """The files that do not start with what is expected, or do not exist."""
    files = {name: FOLDER / name for name in expected}
    return [
        name
        for name, file in files.items()
        if not file.is_file() or not file.read_text(encoding="utf-8").startswith(expected[name])
    ]


def _installs(marker: str | None, python: str) -> bool:
    versions = {"python_version": python, "python_full_version": f"{python}.0"}
    return marker is None or Marker(marker).evaluate({**PLATFORM, **versions})


def _pins(*names: str) -> list[Pin]:
    files = [FOLDER / f"{name}.txt" for name in names]
    return [pin for file in files if file.is_file() for pin in parse(file.read_text("utf-8"))]


def _compiled(*extras: str, prefer: Iterable[Pin]) -> list[Pin]:
    """Resolves the dependencies with these extras; keeps versions of `prefer` that fit."""
    environment = dict(os.environ)
    if "cpu" not in extras:
        environment.pop(CPU_LINKS, None)
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "requirements.txt"
        # uv keeps the versions that the output file names already.
        output.write_text("".join(map(str, prefer)), encoding="utf-8")
        uv = str(Path(sys.executable).parent / "uv")
        command = [uv, "pip", "compile", str(PROJECT), "--quiet", "--output-file", str(output)]
        command += ["--universal", "--python-version", PYTHONS[0], "--generate-hashes"]
        command += ["--no-header", "--annotation-style", "line"]
        command += [word for extra in extras for word in ("--extra", extra)]
        subprocess.run(command, check=True, cwd=PROJECT.parent, env=environment)
        return list(parse(output.read_text(encoding="utf-8")))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--upgrade", action="store_true", help="take the newest versions that fit")
    how.add_argument("--check", action="store_true", help="resolve, and compare with the files")
    how.add_argument("--check-header", action="store_true", help="compare pyproject's hash alone")
    options = parser.parse_args(arguments)
    if options.check_header:
        expected = dict.fromkeys(("cpu.txt", "gpu.txt", "dev.txt"), HEADER.format(digest()))
    else:
        expected = locked(options.upgrade)
    if not (options.check or options.check_header):
        for name, content in expected.items():
            (FOLDER / name).write_text(content, encoding="utf-8")
    elif old := stale(expected):
        print(f"stale: {', '.join(old)} in requirements/; run `make lock`", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
