"""Says what a candidate guard would have decided otherwise, from the log of its shadow run.

    python -m deployments.ops.shadow_report runs/shadow.jsonl

One part for each pair of active and candidate; the last line is JSON.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deployments.contracts import PolicyRef
from deployments.errors import ConfigurationError
from deployments.guard.shadow.shadow import Counts, ShadowRecord

Pair = tuple[PolicyRef, PolicyRef, str | None]
"""Active policy, candidate policy, and the candidate's embedding CNN."""
WOULD_BE = {
    "block": "blocked",
    "rewrite": "rewritten",
    "steer": "steered",
    "allow": "let through",
}


def read_log(path: Path) -> dict[Pair, list[ShadowRecord]]:
    """The records of each pair, in the order of the log.

    Raises:
        ConfigurationError: the log cannot be read, or a line is damaged; says which.
    """
    pairs: dict[Pair, list[ShadowRecord]] = {}
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                record = _parsed(line, f"{path}:{number}")
                pair = (record.active, record.candidate, record.cnn)
                pairs.setdefault(pair, []).append(record)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the log {str(path)!r}: {error}") from error
    return pairs


def _parsed(line: str, where: str) -> ShadowRecord:
    try:
        return ShadowRecord.model_validate_json(line)
    except ValidationError as error:
        raise ConfigurationError(f"{where}: is no shadow record: {error}") from error


def totals(records: Sequence[ShadowRecord]) -> Counts:
    """The sum over all replicas of each one's highest counts: counts only rise."""
    highest: dict[str, dict[str, int]] = {}
    for record in records:
        seen = highest.setdefault(record.replica, {})
        for name, count in record.counts.model_dump().items():
            seen[name] = max(seen.get(name, 0), count)
    names = Counts.model_fields
    return Counts(**{name: sum(seen[name] for seen in highest.values()) for name in names})


def changes(records: Sequence[ShadowRecord]) -> dict[str, dict[str, Counter[str]]]:
    """Changed decisions: the candidate's action -> category -> counts by the active action."""
    found: dict[str, dict[str, Counter[str]]] = {}
    for record in records:
        if record.case:
            change = record.case.difference
            by_category = found.setdefault(change.after.action, {})
            by_category.setdefault(change.category, Counter())[change.before.action] += 1
    return found


def report(pair: Pair, records: Sequence[ShadowRecord]) -> Iterator[str]:
    """What the candidate would have changed, in plain lines."""
    active, candidate, cnn = pair
    counts = totals(records)
    share = f" ({counts.differing / counts.compared:.2%})" if counts.compared else ""
    yield f"active {_named(active)}, candidate {_named(candidate)}, CNN {cnn or 'none'}"
    yield (
        f"{counts.compared} prompts compared, {counts.differing} decided otherwise{share}; "
        f"{counts.dropped} left out, {counts.failed} failed"
    )
    found = changes(records)
    for action in sorted(found, key=list(WOULD_BE).index):
        categories = found[action]
        yield f"would have been {WOULD_BE[action]}: {sum(map(Counter.total, categories.values()))}"
        for category, before in sorted(categories.items(), key=lambda e: -e[1].total()):
            now = ", ".join(f"{count} now {name}" for name, count in before.most_common())
            yield f"  {category}: {before.total()} ({now})"


def _named(policy: PolicyRef) -> str:
    return f"{policy.name} {policy.version} ({policy.hash})"


def as_json(pair: Pair, records: Sequence[ShadowRecord]) -> dict[str, Any]:
    """The same for programs."""
    active, candidate, cnn = pair
    return {
        "active": active.model_dump(),
        "candidate": candidate.model_dump(),
        "cnn": cnn,
        **totals(records).model_dump(),
        "would_have": changes(records),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log", metavar="LOG", type=Path)
    options = parser.parse_args(arguments)
    try:
        pairs = read_log(options.log)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    for pair, records in pairs.items():
        print("\n".join(report(pair, records)))
    print(json.dumps([as_json(pair, records) for pair, records in pairs.items()]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
