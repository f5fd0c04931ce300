"""Explains a policy file: every mistake with its line, else what the policy comes to.

    python -m deployments.ops.policy check FILE [--cnn embedded:cnn]

Exit code 2 where there are mistakes. Warnings are on what is valid and cannot be meant.
"""

import argparse
import json
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from deployments.contracts import Operation
from deployments.errors import ConfigurationError
from deployments.inference.embedded.resolve import SCHEME, resolve
from deployments.paths import SHIPPED
from deployments.policy.document import Category, Policy
from deployments.policy.loading import Reading, read_policy
from deployments.policy.source import Finding, Place, Value

CNN_FILE = "cnn.json"
"""Beside the embedding CNN's weights; its `categories` are those that it knows."""
ACTIONS = ("block", "rewrite", "steer", "allow")
NAMED = 5
"""Terms that one warning names."""
OPERATIONS: tuple[Operation, ...] = ("generate", "edit")


def cnn_categories(model: str) -> tuple[str, ...]:
    """The categories that an embedding CNN was trained on.

    Raises:
        ConfigurationError: its configuration cannot be read.
    """
    # What is shipped of an embedded model says it; the rest need not be assembled for that.
    name = model.removeprefix(SCHEME)
    file = (SHIPPED / name if name != model else Path(resolve(model))) / CNN_FILE
    try:
        return tuple(json.loads(file.read_text(encoding="utf-8"))["categories"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"cannot read {str(file)!r}: {error}") from error


def summary(policy: Policy) -> Iterator[str]:
    """What the policy comes to, in a few lines."""
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


def warnings(reading: Reading, known: Collection[str]) -> Iterator[Finding]:
    """What is valid, and yet cannot be meant, in the order of its lines.

    Args:
        reading: a policy without mistakes.
        known: the categories that the embedding CNN was trained on.
    """
    policy, whole = reading.policy, reading.whole
    assert policy is not None
    assert whole is not None
    found = [
        *reading.warnings,
        *_unknown_to_cnn(policy, whole, known),
        *_shared_terms(policy, whole),
        *_idle_thresholds(policy, whole),
        *_idle_parts(policy, whole),
    ]
    yield from sorted(found, key=lambda f: (str(f.place.file), f.place.line or 0))


def _unknown_to_cnn(policy: Policy, whole: Value, known: Collection[str]) -> Iterator[Finding]:
    """The CNN may let a prompt pass only if it knows every category that acts."""
    if not policy.cnn.pass_below:
        return
    for name, category in policy.categories.items():
        if category.action == "allow" or category.examples or name in known:
            continue
        of = "prompt" if len(category.operations) > 1 else f"prompt to {category.operations[0]}"
        yield _finding(
            whole,
            f"`{name}` is known to no embedding stage and has no `examples`: every {of} goes to "
            "the language model",
            "categories",
            name,
        )


def _shared_terms(policy: Policy, whole: Value) -> Iterator[Finding]:
    """Terms that stand in two lists, twice in one, or among their own category's exceptions."""
    shared: dict[tuple[str, str], list[tuple[str, Place]]] = {}
    first: dict[str, str] = {}
    for name, category in policy.categories.items():
        excepted = {_plain(phrase) for phrase in category.exceptions}
        for key in ("block_terms", "terms"):
            here = f"{name}.{key}"
            for index, term in enumerate(getattr(category, key)):
                entry = (term, whole.nearest(("categories", name, key, index)).place)
                if _plain(term) in excepted:
                    shared.setdefault((f"{name}.exceptions", here), []).append(entry)
                if _plain(term) in first:
                    shared.setdefault((first[_plain(term)], here), []).append(entry)
                first.setdefault(_plain(term), here)
    for (there, here), entries in shared.items():
        terms = ", ".join(repr(term) for term, _ in entries[:NAMED])
        more = f" and {len(entries) - NAMED} more" if len(entries) > NAMED else ""
        lists = f"`{there}` and `{here}` both have" if there != here else f"`{here}` has twice"
        yield Finding(entries[0][1], f"{lists} {terms}{more}")


def _plain(term: str) -> str:
    return " ".join(term.casefold().split())


def _idle_thresholds(policy: Policy, whole: Value) -> Iterator[Finding]:
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
        yield _finding(whole, message, "cnn", "pass_below")
    if high < 1 and not blocking:
        message = f"`cnn.block_above` {high:g} never acts: no category blocks"
        yield _finding(whole, message, "cnn", "block_above")
    elif high < min(blocking, default=0.0):
        message = f"`cnn.block_above` {high:g} acts only from the lowest act threshold, "
        yield _finding(whole, f"{message}{min(blocking):g}", "cnn", "block_above")
    places: list[tuple[str, ...]] = [("thresholds",)]
    places += [("categories", n, "thresholds") for n in acting if policy.categories[n].thresholds]
    for path in places:
        limits = policy.thresholds_of(path[1]) if path[1:] else policy.thresholds
        where = ".".join(path)
        if limits.steer == limits.act:
            message = f"`{where}.steer` never acts: it is no lower than `act`, {limits.act:g}"
            yield _finding(whole, message, *path, "steer")
        if limits.act == 1:
            message = f"`{where}.act` 1 never acts but on listed words: no score is certain"
            yield _finding(whole, message, *path, "act")


def _idle_parts(policy: Policy, whole: Value) -> Iterator[Finding]:
    """What a category says although its action is `allow`."""
    for name, category in policy.categories.items():
        if category.action != "allow":
            continue
        for key in ("thresholds", "terms", "block_terms", "examples"):
            if getattr(category, key):
                message = f"`{name}.{key}` never act: the action is `allow`"
                yield _finding(whole, message, "categories", name, key)


def _finding(whole: Value, message: str, *path: Any) -> Finding:
    return Finding(whole.nearest(path).place, message)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m deployments.ops.policy check", description=__doc__.splitlines()[0]
    )
    parser.add_argument("file", type=Path, help="the policy file")
    parser.add_argument(
        "--cnn",
        default=f"{SCHEME}cnn",
        help="folder of the embedding CNN that the guard uses, or `none` (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        known = () if options.cnn == "none" else cnn_categories(options.cnn)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    reading = read_policy(options.file)
    for mistake in reading.mistakes:
        print(mistake, file=sys.stderr)
    if reading.policy is None:
        print(f"{len(reading.mistakes)} mistakes in {str(options.file)!r}", file=sys.stderr)
        return 2
    found = list(warnings(reading, known))
    for warning in found:
        print(f"{warning.place}: warning: {warning.message}")
    print("\n".join(summary(reading.policy)))
    print(f"no mistakes, {len(found)} warnings")
    return 0
