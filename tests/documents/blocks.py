"""The code blocks of a document, and what is wrong with them.

A fence says what its block is:

    ```python                          a program
    ```sh                              commands, one a line
    ```yaml configs/NAME.yaml          a part of this configuration's `args`
    ```yaml configs/policies/NAME.yaml a part of this policy
    ```text                            is to be read, and never runs

Any other block is a mistake. Programs and commands run: those that name the service's URL beside
the cluster of tests/cluster, the others by themselves. Of `make` the target is looked up; commands
within a sentence are looked up, and parsed by the parser of their module.
"""

import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import NamedTuple

import yaml

from deployments.paths import ROOT
from deployments.policy.loading import read_policy
from graph import SafelightConfig
from tests.configurations import application, merged
from tests.documents.commands import Wrong, check_command

HISTORY = "CHANGELOG.md"
"""It tells of earlier versions: no command in its sentences is looked up."""
SERVICE = "http://127.0.0.1:8000"
"""Where a document says that the service is."""
SECONDS = 180.0
FENCE = re.compile(r"^( *)(```+|~~~+)(.*)\n((?:.*\n)*?)\1\2 *$", re.MULTILINE)
INDENTED = re.compile(r"\n\n(?: {4}|\t)\S")
SPAN = re.compile(r"`([^`]+)`")
COMMAND = re.compile(r"(?:make|python|curl|kubectl) \S")
MODULE = re.compile(r"(?:deployments|training|evaluation|loadtest|k8s|requirements)\.[\w.]+(?: |$)")


class Block(NamedTuple):
    """A code block.

    Attributes:
        place: document and line.
        kind: the first word of the fence.
        base: the rest of the fence.
    """

    place: str
    kind: str
    base: str
    text: str

    def commands(self) -> list[str]:
        """The lines of a block of commands, without comments."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]

    def programs(self) -> Iterator[list[str]]:
        """What runs, each as its words; `make` does not."""
        if self.kind == "python":
            yield [sys.executable, "-c", self.text]
        elif self.kind == "sh":
            for line in self.commands():
                match shlex.split(line, comments=True):
                    case ["python", *words]:
                        yield [sys.executable, *words]
                    case ["curl", *_]:
                        failing = line.replace(
                            "curl ", "curl --fail-with-body --no-progress-meter ", 1
                        )
                        yield ["bash", "-o", "pipefail", "-c", failing]

    @property
    def needs_service(self) -> bool:
        return SERVICE in self.text

    def run(self, url: str = SERVICE) -> None:
        """Runs all programs, where `url` is that of the service.

        Raises:
            Wrong: a program fails; with what it says.
        """
        for words in self.programs():
            here = [word.replace(SERVICE, url) for word in words]
            ended = subprocess.run(
                here, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
            )
            if ended.returncode:
                raise Wrong(f"{self.place}: {ended.stdout}{ended.stderr}")


def documents(root: Path = ROOT) -> list[Path]:
    """The documents of the repository."""
    patterns = ("*.md", "docs/**/*.md", "[!.]*/**/README.md")
    return sorted({path for pattern in patterns for path in root.glob(pattern)})


def blocks(path: Path) -> list[Block]:
    """The fenced blocks of a document."""
    text = path.read_text(encoding="utf-8")
    found = []
    for fence in FENCE.finditer(text):
        _, _, info, code = fence.groups()
        line = text.count("\n", 0, fence.start()) + 1
        kind, _, base = info.strip().partition(" ")
        found.append(Block(f"{path.name}:{line}", kind, base, dedent(code)))
    return found


def mistakes(path: Path) -> list[str]:
    """What is wrong with a document's blocks and commands, without running one."""
    return [f"{place}: {error}" for place, error in _mistakes(path)]


def _mistakes(path: Path) -> Iterator[tuple[str, Wrong]]:
    for block in blocks(path):
        try:
            check(block)
        except Wrong as error:
            yield block.place, error
    rest = FENCE.sub("", path.read_text(encoding="utf-8"))
    if re.search(r"```|~~~", rest) or INDENTED.search(rest):
        yield path.name, Wrong("a block that has no fence, or an open one")
    if path.name == HISTORY:
        return
    for span in SPAN.findall(rest):
        command = " ".join(span.split())
        if MODULE.match(command):
            command = f"python -m {command}"
        try:
            if COMMAND.match(command):
                check_command(command)
        except Wrong as error:
            yield path.name, Wrong(f"`{command}`: {error}")


def check(block: Block) -> None:
    """Reads a block as what its fence says.

    Raises:
        Wrong: it is not that, or its fence says nothing that is known.
    """
    match block:
        case Block(kind="text", base=""):
            pass
        case Block(kind="python", base=""):
            _check_python(block)
        case Block(kind="sh", base=""):
            for line in block.commands():
                check_command(line)
        case Block(kind="yaml") if (ROOT / block.base).is_file():
            _check_part(block.text, ROOT / block.base)
        case _:
            raise Wrong(f"no known kind of block: {f'{block.kind} {block.base}'.strip()!r}")


def _check_python(block: Block) -> None:
    try:
        compile(block.text, block.place, "exec")
    except SyntaxError as error:
        raise Wrong(f"is no Python: {error}") from error


def _check_part(text: str, base: Path) -> None:
    """A part of a policy or a configuration fits, written over the whole of it."""
    try:
        if base.parent == ROOT / "configs" / "policies":
            _check_policy(text, base)
        else:
            whole = {"args": application(base)["args"]}
            part = {"args": yaml.safe_load(text)}
            SafelightConfig.model_validate(merged(whole, part)["args"])
    except (ValueError, yaml.YAMLError) as error:
        raise Wrong(f"is no part of {base.relative_to(ROOT)}: {error}") from error


def _check_policy(text: str, base: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "policy.yaml"
        path.write_text(f"{text}\nextends: {base}\n", encoding="utf-8")
        read = read_policy(path)
    # A warning tells of what takes nothing away, as a misspelt key whose value is null.
    if found := [*read.mistakes, *read.warnings]:
        raise ValueError("; ".join(mistake.message for mistake in found))
