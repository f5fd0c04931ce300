"""Explains one decision from the audit log in a few plain lines.

    python -m deployments.ops.why REQUEST_ID [--log runs/audit.jsonl]

Every answer has the request's id, under `safety` and in the header `x-request-id`.
"""

import argparse
import sys
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from deployments.contracts import StageRecord, Try
from deployments.errors import ConfigurationError
from deployments.telemetry.audit import DEFAULT_PATH, Record, read_records

VERDICTS = {
    "delivered": "it was answered",
    "blocked": "the prompt was blocked",
    "refused": "it was refused",
    "unavailable": "it failed closed: nothing was released",
}
PICTURE_STAGES = frozenset({"diffusion", "classifier"})
"""Told try by try; among the stages only if they failed."""


def explain(record: Record) -> Iterator[str]:
    """The decision, then each stage's answer in order, then each picture's tries."""
    yield f"Request {record.request_id} of {record.time:%Y-%m-%d %H:%M:%S %Z}: {_verdict(record)}."
    policy = record.policy
    yield f"It was decided under policy {policy.name}, version {policy.version} ({policy.hash})."
    if record.prompt is not None:
        yield f"The prompt was {record.prompt!r}."
    for stage in record.stages:
        if stage.stage not in PICTURE_STAGES or stage.action == "unavailable":
            yield f"- {_stage(stage)}."
    for index, tries in groupby(record.tries, key=lambda attempt: attempt.index):
        yield f"- picture {index}: {'; '.join(_attempts(list(tries)))}."


def _verdict(record: Record) -> str:
    if not record.tries or record.decision == "unavailable":
        return VERDICTS[record.decision]
    asked = len({attempt.index for attempt in record.tries})
    return f"{asked - len(record.refused)} of {asked} pictures delivered"


def _stage(stage: StageRecord) -> str:
    about = f" for {stage.category}" if stage.category else ""
    score = f", score {stage.score:.2f}" if stage.score is not None else ""
    why = f": {stage.why.rstrip('.')}" if stage.why else ""
    of = " of the rewriter's proposal" if stage.about == "proposal" else ""
    return f"{stage.stage} said {stage.action}{of}{about}{score}, after {stage.ms:.0f} ms{why}"


def _attempts(tries: list[Try]) -> Iterator[str]:
    for number, attempt in enumerate(tries, 1):
        verdict = attempt.verdict
        about = f" for {verdict.category}" if verdict.category else ""
        outcome = f"flagged{about}" if verdict.flagged else "passed"
        yield (
            f"try {number}, seed {attempt.seed}, {_steering(attempt)}, {attempt.steps} steps, "
            f"{outcome} (score {verdict.score:.2f})"
        )


def _steering(attempt: Try) -> str:
    if not attempt.steer:
        return "unsteered"
    since = "" if attempt.turned_at_step is None else f" from step {attempt.turned_at_step}"
    return f"steered at strength {attempt.strength:g}{since}"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("request_id")
    parser.add_argument("--log", type=Path, default=Path(DEFAULT_PATH), help="the audit log")
    options = parser.parse_args(arguments)
    try:
        records = read_records(options.log, options.request_id)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return 2
    if not records:
        print(f"{str(options.log)!r} has no request {options.request_id!r}", file=sys.stderr)
        return 1
    for record in records:
        print("\n".join(explain(record)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
