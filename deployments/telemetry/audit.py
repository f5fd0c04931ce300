"""The audit log: one JSON line for each decision, appended before the response leaves."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, ValidationError

from deployments.contracts import Safety
from deployments.errors import ConfigurationError, StageFailed
from deployments.telemetry.lines import append, open_log, prompt_digest

DEFAULT_PATH = "runs/audit.jsonl"
"""Where a service keeps its log unless its configuration says otherwise."""


class Record(Safety):
    """One line of the log: a decision's trace, when it fell, and which prompt it was about.

    `prompt_sha256` is the hex digest of the prompt in UTF-8; the prompt itself is there only where
    the policy keeps prompts.
    """

    time: AwareDatetime
    prompt_sha256: str
    prompt: str | None = None


class AuditLog:
    """An append-only file of JSON lines that several replicas may write to.

    A prompt is kept as its SHA-256 unless `keep_prompts`.

    Raises:
        ConfigurationError: the file cannot be opened; a service that cannot account for its
            decisions does not start.
    """

    def __init__(self, path: Path, keep_prompts: bool = False) -> None:
        self._keep_prompts = keep_prompts
        self._descriptor = open_log(path)

    def write(self, safety: Safety, prompt: str) -> None:
        """Appends one decision.

        Raises:
            StageFailed: the line could not be written whole; the caller must not release anything.
        """
        try:
            append(self._descriptor, self._record(safety, prompt))
        except OSError as error:
            raise StageFailed("audit", "the decision could not be logged") from error

    def _record(self, safety: Safety, prompt: str) -> dict[str, Any]:
        record = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "prompt_sha256": prompt_digest(prompt),
            **safety.model_dump(mode="json"),
        }
        return {**record, "prompt": prompt} if self._keep_prompts else record


def read_records(path: Path, request_id: str) -> list[Record]:
    """Every decision on one request, oldest first; none where the log does not know it.

    Raises:
        ConfigurationError: the log cannot be read, or a line that names the request is damaged.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            # A log may be long, a request has few lines: only those are parsed.
            found = [
                _parsed(line, f"{str(path)!r}, line {number}")
                for number, line in enumerate(lines, 1)
                if request_id in line
            ]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the audit log {str(path)!r}: {error}") from error
    return [record for record in found if record.request_id == request_id]


def _parsed(line: str, where: str) -> Record:
    try:
        return Record.model_validate_json(line)
    except ValidationError as error:
        raise ConfigurationError(f"{where} is not a decision: {error}") from error
