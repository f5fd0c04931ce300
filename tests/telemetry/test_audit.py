"""The audit log keeps one whole line for each decision, without the prompt unless told so."""

import json
from pathlib import Path

import pytest

from deployments.contracts import TRACE_SCHEMA, PolicyRef
from deployments.errors import ConfigurationError, StageFailed
from deployments.telemetry.audit import AuditLog, Record
from deployments.telemetry.trace import Trace

TRACE = Trace("r1", PolicyRef(name="p", version="1", hash="0" * 12))


def test_a_decision_is_one_json_line_without_the_prompt(tmp_path):
    path = tmp_path / "logs" / "audit.jsonl"
    log = AuditLog(path)
    log.write(TRACE.safety("delivered"), "a secret prompt")
    log.write(TRACE.safety("blocked"), "another")
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["decision"] for line in lines] == ["delivered", "blocked"]
    assert "secret" not in path.read_text()
    assert len(lines[0]["prompt_sha256"]) == 64


def test_the_prompt_is_kept_when_the_policy_says_so(tmp_path):
    path = tmp_path / "audit.jsonl"
    AuditLog(path, keep_prompts=True).write(TRACE.safety("delivered"), "a dog\n")
    assert json.loads(path.read_text())["prompt"] == "a dog\n"


def test_the_log_is_readable_by_its_owner_only(tmp_path):
    path = tmp_path / "audit.jsonl"
    AuditLog(path)
    assert path.stat().st_mode & 0o077 == 0


def test_a_service_that_cannot_log_does_not_start(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError):
        AuditLog(tmp_path / "file" / "audit.jsonl")


def test_a_line_that_cannot_be_written_is_a_failure():
    log = AuditLog(Path("/dev/full"))  # a disk without room
    with pytest.raises(StageFailed):
        log.write(TRACE.safety("delivered"), "a dog")


def test_a_logged_decision_says_which_form_it_has(tmp_path):
    AuditLog(tmp_path / "audit.jsonl").write(TRACE.safety("delivered"), "a dog")
    (line,) = (tmp_path / "audit.jsonl").read_text().splitlines()
    assert json.loads(line)["schema"] == TRACE_SCHEMA
    assert Record.model_validate_json(line).schema_version == TRACE_SCHEMA
