"""The audit log: one JSON line for each decision, appended before the response leaves."""

import hashlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deployments.contracts import Safety
from deployments.errors import ConfigurationError, StageFailed


class AuditLog:
    """An append-only file of JSON lines that several replicas may write to.

    A line is one `write` on a descriptor opened with O_APPEND, so that lines of several processes
    do not interleave on a local file system. A prompt is kept as its SHA-256 unless `keep_prompts`.

    Raises:
        ConfigurationError: the file cannot be opened; a service that cannot account for its
            decisions does not start.
    """

    def __init__(self, path: Path, keep_prompts: bool = False) -> None:
        self._keep_prompts = keep_prompts
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._descriptor = os.open(path, flags, 0o600)
        except OSError as error:
            raise ConfigurationError(f"cannot open the audit log {str(path)!r}: {error}") from error

    def write(self, safety: Safety, prompt: str) -> None:
        """Appends one decision.

        Raises:
            StageFailed: the line could not be written whole; the caller must not release anything.
        """
        line = json.dumps(self._record(safety, prompt), ensure_ascii=True) + "\n"
        data = line.encode()
        try:
            written = os.write(self._descriptor, data)
        except OSError as error:
            raise StageFailed("audit", "the decision could not be logged") from error
        if written != len(data):
            raise StageFailed("audit", "the decision was logged only in part")

    def _record(self, safety: Safety, prompt: str) -> dict[str, Any]:
        # Lone surrogates are refused at the edge; "surrogatepass" keeps even those loggable.
        digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()
        record = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "prompt_sha256": digest,
            **safety.model_dump(mode="json"),
        }
        return {**record, "prompt": prompt} if self._keep_prompts else record
