"""Whether a command can be given: target, module, options and paths exist."""

import argparse
import importlib.util
import io
import re
import runpy
import shlex
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from deployments.paths import ROOT

MADE = ("runs",)
"""Folders that are filled by running what is here."""


class Wrong(Exception):
    """What a document says cannot be done."""


class Accepted(BaseException):
    """A parser has taken its arguments."""


def check_command(line: str) -> None:
    """Looks a command up, without running it.

    Raises:
        Wrong: something of it does not exist.
    """
    try:
        words = shlex.split(line, comments=True)
    except ValueError as error:
        raise Wrong(f"is no command: {error}") from error
    match words:
        case ["make", *given]:
            _check_make(given)
        case ["python", "-m", module, *arguments]:
            _check_module(module, arguments)
        case ["curl", *_]:
            return  # it runs, or its block does not name the service
        case ["kubectl", *_]:
            pass
        case _:
            raise Wrong(f"no known kind of command: {line!r}")
    for word in words[1:]:
        _check_path(word.rpartition("=")[2])


def _check_make(given: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for word in given:
        name, assigned, _ = word.partition("=")
        known = rf"\$\((if )?{re.escape(name)}[,)]" if assigned else rf"^{re.escape(name)}:"
        if not re.search(known, makefile, re.MULTILINE):
            raise Wrong(f"the Makefile has no {'variable' if assigned else 'target'} {name!r}")


def _check_path(word: str) -> None:
    """A path within the repository exists. Other paths and URLs are the reader's own."""
    path = Path(word)
    if "/" not in word or "://" in word or path.is_absolute() or path.parts[0] in MADE:
        return
    if not (ROOT / path).exists():
        raise Wrong(f"there is no {word!r}")


def _check_module(module: str, arguments: list[str]) -> None:
    """The module is a command, and its own parser takes the arguments."""
    sources = _sources(module)
    if "parse_args(" in sources:
        _check_arguments(module, arguments)
    elif "__main__" not in sources:
        raise Wrong(f"{module!r} is no command")
    elif arguments:
        raise Wrong(f"{module!r} takes no arguments")


def _sources(module: str) -> str:
    """The text of a module, or of all modules of a package that is a command."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise Wrong(f"there is no module {module!r}")
    path = Path(spec.origin)
    paths = [path]
    if spec.submodule_search_locations is not None:
        paths = sorted(path.parent.glob("*.py")) if (path.parent / "__main__.py").exists() else []
    return "".join(path.read_text(encoding="utf-8") for path in paths)


def _check_arguments(module: str, arguments: list[str]) -> None:
    """Starts the module as a command, as far as to its parser."""
    parse_args = argparse.ArgumentParser.parse_args

    def parse(parser, given=None, namespace=None):
        for action in parser._actions:
            if action.option_strings:
                action.required = False  # a sentence may leave it out
        parse_args(parser, given, namespace)
        raise Accepted

    said = io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        redirect_stdout(said),
        redirect_stderr(said),
        warnings.catch_warnings(),
    ):
        # A test may have imported the module before.
        warnings.filterwarnings("ignore", ".* found in sys.modules", RuntimeWarning)
        patch.setattr(argparse.ArgumentParser, "parse_args", parse)
        patch.setattr(sys, "argv", [module, *arguments])
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=False)
        except Accepted:
            return
        except SystemExit:
            pass
    raise Wrong(f"{module!r} does not take {shlex.join(arguments)!r}: {said.getvalue()}")
