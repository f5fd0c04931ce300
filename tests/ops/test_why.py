"""A decision is explained from the log that the service itself wrote."""

import pytest

from deployments.contracts import PolicyRef, StageRecord, Try, TryVerdict
from deployments.ops.why import main
from deployments.telemetry.audit import AuditLog
from deployments.telemetry.trace import Trace

POLICY = PolicyRef(name="default", version="1", hash="0123456789ab")


def attempt(flagged: bool, strength: float, index: int = 0) -> Try:
    return Try(
        index=index,
        seed=7 + index,
        steer=strength > 0,
        strength=strength,
        steps=20,
        turned_at_step=4 if strength else None,
        score_before=None,
        verdict=TryVerdict(
            flagged=flagged,
            category="violence" if flagged else None,
            score=0.93 if flagged else 0.08,
        ),
    )


@pytest.fixture
def explained(tmp_path, capsys):
    """Logs a trace as the gateway does, and gives what the command says of it."""

    def explain(trace: Trace, decision: str, keep_prompts: bool = False) -> list[str]:
        path = tmp_path / "audit.jsonl"
        AuditLog(path, keep_prompts).write(trace.safety(decision), "a warrior")
        AuditLog(path).write(Trace("another", POLICY).safety("delivered"), "a dog")
        assert main([trace.request_id, "--log", str(path)]) == 0
        return capsys.readouterr().out.splitlines()

    return explain


def test_regenerated_request_is_told_try_by_try(explained):
    trace = Trace("r1", POLICY)
    trace.stage(StageRecord(stage="llm", action="allow", score=0.12, ms=41))
    trace.stage(StageRecord(stage="diffusion", action="generate", ms=900))
    trace.stage(StageRecord(stage="classifier", action="flag", category="violence", score=0.93))
    trace.tried(attempt(True, 0.0))
    trace.tried(attempt(False, 1.0))
    head, policy, guard, picture = explained(trace, "delivered")
    assert head.startswith("Request r1 of 20")
    assert head.endswith(" UTC: 1 of 1 pictures delivered.")
    assert policy == "It was decided under policy default, version 1 (0123456789ab)."
    assert guard == "- llm said allow, score 0.12, after 41 ms."
    assert picture == (
        "- picture 0: try 1, seed 7, unsteered, 20 steps, flagged for violence (score 0.93); "
        "try 2, seed 7, steered at strength 1 from step 4, 20 steps, passed (score 0.08)."
    )


def test_blocked_prompt_is_told_with_its_reason(explained):
    trace = Trace("r1", POLICY)
    trace.stage(
        StageRecord(stage="llm", action="block", category="violence", score=0.97, why="it is cruel")
    )
    head, _, reason = explained(trace, "blocked")
    assert head.endswith("the prompt was blocked.")
    assert reason == "- llm said block for violence, score 0.97, after 0 ms: it is cruel."


def test_withheld_pictures_are_counted(explained):
    trace = Trace("r1", POLICY)
    trace.tried(attempt(True, 2.0, index=0))
    trace.refused(0)
    trace.tried(attempt(False, 0.0, index=1))
    assert explained(trace, "delivered")[0].endswith("1 of 2 pictures delivered.")


def test_failed_picture_stage_is_named(explained):
    trace = Trace("r1", POLICY)
    trace.tried(attempt(True, 0.0))
    trace.stage(StageRecord(stage="classifier", action="unavailable", why="its replica died"))
    lines = explained(trace, "unavailable")
    assert lines[0].endswith("it failed closed: nothing was released.")
    assert "- classifier said unavailable, after 0 ms: its replica died." in lines


def test_prompt_is_told_only_where_the_log_kept_it(explained):
    assert "The prompt was 'a warrior'." in explained(Trace("r1", POLICY), "delivered", True)
    assert not any("warrior" in line for line in explained(Trace("r2", POLICY), "delivered"))


def test_unknown_request_and_damaged_or_missing_log_are_errors(tmp_path, capsys):
    path = tmp_path / "audit.jsonl"
    assert main(["r1", "--log", str(path)]) == 2
    path.write_text('{"request_id": "r1"\n')
    assert main(["r1", "--log", str(path)]) == 2
    assert "line 1" in capsys.readouterr().err
    assert main(["r2", "--log", str(path)]) == 1
    assert "no request 'r2'" in capsys.readouterr().err
