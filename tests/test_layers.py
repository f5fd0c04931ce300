"""The house shows its design: layers hold, nothing imports in a circle, folders stay small.

Each check is also run on a copy of the tree into which a violation was put, and must find it.
"""

import ast
import re
import shutil
import subprocess
import sys
from collections import Counter
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


@cache
def imports(text: str) -> list[tuple[str, list[str]]]:
    """Every import in a source, those in its functions included: a module, and names from it."""
    found: list[tuple[str, list[str]]] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found += [(alias.name, []) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.module, "import by the full name"
            found.append((node.module, [alias.name for alias in node.names]))
    return found


def imported(file: Path, known: dict[str, Path]) -> set[str]:
    """Modules of the tree that a file imports; a name from a package may be a module itself."""
    found = set()
    for module, names in imports(file.read_text(encoding="utf-8")):
        parts = {f"{module}.{name}" for name in names} & known.keys()
        found |= parts if parts and len(parts) == len(names) else {*parts, module}
    return found & known.keys()


def cycle(root: Path) -> list[str]:
    """The modules of one import cycle, or none; a package is not said to import its parts."""
    known = modules(root)
    graph = {name: imported(file, known) for name, file in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def copied(target: Path) -> Path:
    """A copy of the tree's Python files and contracts, to put violations into."""
    for file in (ROOT / "pyproject.toml", *modules(ROOT).values()):
        copy = target / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return target


def plant(root: Path, file: str, code: str) -> None:
    with (root / file).open("a", encoding="utf-8") as target:
        target.write(f"\n\ndef _planted() -> None:\n    {code}\n")


def test_every_import_contract_is_kept():
    report = contracts(ROOT)
    assert "0 broken" in report, report


BROKEN = (
    ("deployments/rewriter/rewriter.py", "deployments.guard.cascade"),
    ("deployments/policy/document.py", "deployments.inference.encoder"),
    ("deployments/errors.py", "training.paths"),
    ("training/judge/train.py", "evaluation.judge.agreement"),
    ("training/world/edits.py", "deployments.contracts"),
    ("training/world/scene.py", "training.fit"),
    ("training/language/corpora.py", "training.diffusion.data"),
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the contracts say of a tree with all these imports, and with a part of no layer."""
    root = copied(tmp_path_factory.mktemp("broken"))
    for file, module in BROKEN:
        plant(root, file, f"import {module}")
    (root / "training" / "stray.py").write_text("", encoding="utf-8")
    return contracts(root)


@pytest.mark.parametrize(("file", "module"), BROKEN)
def test_a_planted_import_breaks_a_contract(report, file, module):
    assert f"{_name(Path(file))} -> {module} (l." in report, report


def test_a_new_part_without_a_layer_breaks_a_contract(report):
    assert "training.stray" in report, report


@pytest.mark.slow
def test_no_modules_import_one_another_in_a_circle():
    assert cycle(ROOT) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("deployments/contracts.py", "import deployments.policy.loading"),
        ("training/classifiers/data.py", "from training.classifiers.pools import pools"),
        ("deployments/errors.py", "from training.world import scene, edits; import graph"),
    ],
)
def test_a_planted_circle_is_found_though_a_function_hides_it(tmp_path, file, code):
    plant(copied(tmp_path), file, code)
    assert _name(Path(file)) in cycle(tmp_path)


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
