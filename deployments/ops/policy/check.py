"""Explains a policy file: its mistakes with their lines, or a summary of what it decides.

    python -m deployments.ops.policy check FILE [--cnn embedded:cnn]

The exit code is 2 if there are mistakes. What is valid and has no effect is warned of.
"""

import argparse
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from deployments.contracts import Operation
from deployments.errors import ConfigurationError
from deployments.guard.embedding.cnn import CNNConfig
from deployments.inference.embedded.resolve import resolve
from deployments.policy.document import Category, Policy
from deployments.policy.loading import PolicyFile, read_policy
from deployments.policy.mistakes import Mistake, Place
from deployments.policy.source import Value

ACTIONS = ("block", "rewrite", "steer", "allow")
NAMED = 5
"""The most terms that one warning names."""
OPERATIONS: tuple[Operation, ...] = ("generate", "edit")


def summary(policy: Policy) -> Iterator[str]:
    """What the policy decides, in a few lines."""
    yield f"policy {policy.name}, version {policy.version}, hash {policy.ref.hash}"
    for action in ACTIONS:
        named = [_named(n, c) for n, c in policy.categories.items() if c.action == action]
        if named:
            yield f"  {action}: {', '.join(named)}"
    yield f"  the CNN alone {_alone(policy)}"


def _named(name: str, category: Category) -> str:
    kinds = [category.rewrite] if category.rewrite else []
    operations = [] if set(category.operations) == set(OPERATIONS) else list(category.operations)
    notes = ", ".join([*kinds, *(f"{operation} only" for operation in operations)])
    return f"{name} ({notes})" if notes else name


def _alone(policy: Policy) -> str:
    cnn = policy.cnn
    parts = [f"lets pass below {cnn.pass_below:g}"] if cnn.pass_below else []
    parts += [f"blocks above {cnn.block_above:g}"] if cnn.block_above < 1 else []
    weight = f"; for the rest its score weighs {cnn.weight:g}" if cnn.weight else ""
    return (" and ".join(parts) or "decides nothing") + weight


def warnings(file: PolicyFile, known: Collection[str]) -> list[Mistake]:
    """What is valid and has no effect, in the order of its lines.

    Args:
        file: one without mistakes.
        known: the categories that the embedding CNN was trained on.
    """
    policy, document = file.policy, file.document
    assert policy is not None
    assert document is not None
    found = [
        *file.warnings,
        *_unknown_to_cnn(policy, document, known),
        *_shared_terms(policy, document),
        *_idle_thresholds(policy, document),
        *_idle_parts(policy, document),
    ]
    return sorted(found, key=lambda f: (str(f.place.file), f.place.line or 0))


def _unknown_to_cnn(policy: Policy, document: Value, known: Collection[str]) -> Iterator[Mistake]:
    """The CNN may let a prompt pass only if it knows every category that acts."""
    if not policy.cnn.pass_below:
        return
    for name, category in policy.categories.items():
        if category.action == "allow" or category.examples or name in known:
            continue
        of = "prompt" if len(category.operations) > 1 else f"prompt to {category.operations[0]}"
        yield _warning(
            document,
            f"`{name}` is known to no embedding stage and has no `examples`: every {of} goes to "
            "the language model",
            "categories",
            name,
        )


def _shared_terms(policy: Policy, document: Value) -> Iterator[Mistake]:
    """Terms in two lists, twice in one list, or among the exceptions of their own category."""
    shared: dict[tuple[str, str], list[tuple[str, Place]]] = {}
    first: dict[str, str] = {}
    for name, category in policy.categories.items():
        excepted = {_plain(phrase) for phrase in category.exceptions}
        for key in ("block_terms", "terms"):
            here = f"{name}.{key}"
            for index, term in enumerate(getattr(category, key)):
                entry = (term, document.nearest(("categories", name, key, index)).place)
                if _plain(term) in excepted:
                    shared.setdefault((f"{name}.exceptions", here), []).append(entry)
                if _plain(term) in first:
                    shared.setdefault((first[_plain(term)], here), []).append(entry)
                first.setdefault(_plain(term), here)
    for (there, here), entries in shared.items():
        terms = ", ".join(repr(term) for term, _ in entries[:NAMED])
        more = f" and {len(entries) - NAMED} more" if len(entries) > NAMED else ""
        lists = f"`{there}` and `{here}` both have" if there != here else f"`{here}` has twice"
        yield Mistake(entries[0][1], f"{lists} {terms}{more}")


def _plain(term: str) -> str:
    return " ".join(term.casefold().split())


def _idle_thresholds(policy: Policy, document: Value) -> Iterator[Mistake]:
    acting = [name for name, c in policy.categories.items() if c.action != "allow"]
    steer = min((policy.thresholds_of(name).steer for name in acting), default=1.0)
    blocking = [
        policy.thresholds_of(name).act
        for name in acting
        if policy.categories[name].action == "block"
    ]
    low, high = policy.cnn.pass_below, policy.cnn.block_above
    if low > steer:
        message = f"`cnn.pass_below` {low:g} acts only up to the lowest steer threshold, {steer:g}"
        yield _warning(document, message, "cnn", "pass_below")
    if high < 1 and not blocking:
        message = f"`cnn.block_above` {high:g} never acts: no category blocks"
        yield _warning(document, message, "cnn", "block_above")
    elif high < min(blocking, default=0.0):
        message = f"`cnn.block_above` {high:g} acts only from the lowest act threshold, "
        yield _warning(document, f"{message}{min(blocking):g}", "cnn", "block_above")
    places: list[tuple[str, ...]] = [("thresholds",)]
    places += [("categories", n, "thresholds") for n in acting if policy.categories[n].thresholds]
    for path in places:
        limits = policy.thresholds_of(path[1]) if path[1:] else policy.thresholds
        where = ".".join(path)
        if limits.steer == limits.act:
            message = f"`{where}.steer` never acts: it is no lower than `act`, {limits.act:g}"
            yield _warning(document, message, *path, "steer")
        if limits.act == 1:
            message = f"`{where}.act` 1 never acts but on listed words: no score is certain"
            yield _warning(document, message, *path, "act")


def _idle_parts(policy: Policy, document: Value) -> Iterator[Mistake]:
    """Parts of a category that have no effect because its action is `allow`."""
    for name, category in policy.categories.items():
        if category.action != "allow":
            continue
        for key in ("thresholds", "terms", "block_terms", "examples"):
            if getattr(category, key):
                message = f"`{name}.{key}` never act: the action is `allow`"
                yield _warning(document, message, "categories", name, key)


def _warning(document: Value, message: str, *path: Any) -> Mistake:
    return Mistake(document.nearest(path).place, message)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m deployments.ops.policy check", description=__doc__.splitlines()[0]
    )
    parser.add_argument("file", type=Path, help="the policy file")
    parser.add_argument(
        "--cnn",
        default="embedded:cnn",
        help="folder of the embedding CNN that the guard uses, or `none` (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        cnn = None if options.cnn == "none" else CNNConfig.of_model(Path(resolve(options.cnn)))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    file = read_policy(options.file)
    for mistake in file.mistakes:
        print(mistake, file=sys.stderr)
    if file.policy is None:
        print(f"{len(file.mistakes)} mistakes in {str(options.file)!r}", file=sys.stderr)
        return 2
    found = warnings(file, cnn.categories if cnn else ())
    for warning in found:
        print(f"{warning.place}: warning: {warning.message}")
    print("\n".join(summary(file.policy)))
    print(f"no mistakes, {len(found)} warnings")
    return 0
