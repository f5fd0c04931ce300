"""The audit log: one JSON line for each decision, appended before the response leaves."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, ValidationError

from deployments.contracts import Safety
from deployments.errors import ConfigurationError, StageFailed
from deployments.telemetry.lines import append, open_log, prompt_digest

DEFAULT_PATH = "runs/audit.jsonl"
"""The log of a service whose configuration names none."""


class Record(Safety):
    """One line of the log: the trace of a decision, its time and its prompt.

    Attributes:
        prompt_sha256: hex digest of the prompt in UTF-8.
        prompt: only where the policy keeps prompts.
    """

    time: AwareDatetime
    prompt_sha256: str
    prompt: str | None = None


class AuditLog:
    """An append-only file of JSON lines that several replicas may write to.

    Args:
        keep_prompts: whether lines have the prompt too, besides its SHA-256.

    Raises:
        ConfigurationError: the file cannot be opened; a service that cannot log its decisions does
            not start.
    """

    def __init__(self, path: Path, keep_prompts: bool = False) -> None:
        self._keep_prompts = keep_prompts
        self._descriptor = open_log(path)

    def write(self, safety: Safety, prompt: str) -> None:
        """Appends one decision.

        Raises:
            StageFailed: the line was not written completely; the caller must release nothing.
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
    """The decisions on one request, oldest first; empty if the log has none.

    Raises:
        ConfigurationError: the log cannot be read, or a line that names the request is damaged.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            # A log may be long and a request has few lines, so only those are parsed.
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
