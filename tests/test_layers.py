"""The house shows its design: layers hold, nothing imports in a circle, folders stay small.

Each check is also run on a copy of the tree into which a violation was put, and must find it.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from deployments.paths import ROOT

PACKAGES = ("deployments", "training", "evaluation", "loadtest", "k8s")
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"
MOST_FILES = 12
"""Python files in one folder, `__init__.py` not counted."""
HISTORY = ("CHANGELOG.md", "docs/log.md", "docs/measurements/")
"""What tells of earlier versions, and so has the names of their modules."""


def contracts(root: Path) -> str:
    """What import-linter says of a tree under that tree's own contracts."""
    command = [sys.executable, "-c", LINT, "--no-cache", "--no-logo"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False).stdout


@cache
def modules(root: Path) -> dict[str, Path]:
    """Every module and package of a tree by its dotted name."""
    files = [
        root / "graph.py",
        *(file for name in PACKAGES for file in (root / name).rglob("*.py")),
    ]
    return {_name(file.relative_to(root)): file for file in files}


def _name(file: Path) -> str:
    parts = file.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(file: Path, known: dict[str, Path]) -> Iterator[str]:
    """Modules of the tree that a file imports, anywhere in it, its functions included."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: import by the full name"
            inner = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in known else str(node.module) for name in inner]
        else:
            continue
        yield from (name for name in names if name in known)


def cycle(root: Path) -> list[str]:
    """The modules of one import cycle, or none; a package is not said to import its parts."""
    known = modules(root)
    graph = {name: set(imported(file, known)) for name, file in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the tree's Python files and contracts, to put a violation into."""
    for file in (ROOT / "pyproject.toml", *modules(ROOT).values()):
        target = tmp_path / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    return tmp_path


def plant(root: Path, file: str, code: str) -> None:
    with (root / file).open("a", encoding="utf-8") as target:
        target.write(f"\n\ndef _planted() -> None:\n    {code}\n")


def test_every_import_contract_is_kept():
    report = contracts(ROOT)
    assert "0 broken" in report, report


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("deployments/rewriter/rewriter.py", "import deployments.guard.cascade"),
        ("deployments/policy/document.py", "import deployments.inference.encoder"),
        ("deployments/errors.py", "import training.paths"),
        ("training/judge/train.py", "import evaluation.judge.agreement"),
        ("training/world/edits.py", "import deployments.contracts"),
        ("training/world/edits.py", "import training.fit"),
        ("training/language/corpora.py", "import training.diffusion.data"),
    ],
)
def test_a_planted_import_breaks_a_contract(copied, file, code):
    plant(copied, file, code)
    report = contracts(copied)
    assert "0 broken" not in report, report
    assert f"{_name(Path(file))} -> {code.removeprefix('import ')}" in report


def test_a_new_part_without_a_layer_breaks_a_contract(copied):
    (copied / "training" / "stray.py").write_text("", encoding="utf-8")
    assert "0 broken" not in contracts(copied)


def test_no_modules_import_one_another_in_a_circle():
    assert cycle(ROOT) == []


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("deployments/contracts.py", "import deployments.policy.loading"),
        ("training/classifiers/data.py", "from training.classifiers.pools import pools"),
        ("deployments/errors.py", "from training.world import scene, edits; import graph"),
    ],
)
def test_a_planted_circle_is_found_though_a_function_hides_it(copied, file, code):
    plant(copied, file, code)
    assert _name(Path(file)) in cycle(copied)


def tracked() -> list[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in found.splitlines() if (ROOT / name).is_file()]


def test_no_folder_holds_more_than_a_dozen_modules():
    files = [Path(name) for name in tracked() if name.endswith(".py")]
    counted = Counter(str(file.parent) for file in files if file.name != "__init__.py")
    assert {folder: n for folder, n in counted.items() if n > MOST_FILES} == {}


def test_no_data_lies_beside_code():
    own = [Path(name) for name in tracked() if name.startswith(("deploy", "training", "evalua"))]
    code = {file.parent for file in own if file.suffix == ".py"}
    assert [str(f) for f in own if f.parent in code and f.suffix not in (".py", ".md")] == []


_NAMED = re.compile(rf"(?<![\w./-])(?:{'|'.join(PACKAGES)})(?:\.[A-Za-z_]\w*+(?![/(]))+")
_FILED = re.compile(rf"(?<![\w.-])(?:{'|'.join(PACKAGES)})(?:/\w+)+\.py\b")


def stale(text: str) -> set[str]:
    """Names of modules and of their files in a text that are not in the tree (any more)."""
    known = modules(ROOT)
    named = {name for name in _NAMED.findall(text) if not _stands_for(name, known)}
    return named | {file for file in _FILED.findall(text) if not (ROOT / file).is_file()}


def _stands_for(name: str, known: dict[str, Path]) -> bool:
    """Whether a name is a module's, or that of something at the top level of one."""
    module, _, rest = name, "", ""
    while module not in known:
        module, _, last = module.rpartition(".")
        rest = f"{last}.{rest}"
    return not rest or rest.split(".")[0] in _defined(known[module])


@cache
def _defined(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
            continue
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                found.add(part.id)
            elif isinstance(part, ast.alias):
                found.add(part.asname or part.name)
    return found


@pytest.mark.parametrize(
    "old",
    [
        "deployments.llm", "deployments.chat", "deployments.encoder", "deployments.embedded",
        "deployments.gateway.pipeline", "deployments.gateway.tries", "deployments.run",
        "deployments.guard.normalise.normalised", "training.loop", "evaluation.judge.Judge",
        "deployments/rewriter/people.py", "evaluation/studio.py",
    ],
)  # fmt: skip
def test_a_name_that_was_given_up_is_noticed_in_a_text(old):
    assert stale(f"see `{old}`, or run python -m {old} --help") == {old}


def test_no_text_names_a_module_that_does_not_exist():
    found = {}
    for name in tracked():
        if name.startswith(HISTORY) or name == "tests/test_layers.py":
            continue
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        if names := stale(text):
            found[name] = names
    assert found == {}
