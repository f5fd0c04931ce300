"""The shadow is logged where it decides otherwise, and never felt."""

import asyncio
import json
import logging
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

import graph
from deployments.contracts import GuardRequest, PromptVerdict
from deployments.errors import ConfigurationError
from deployments.guard.config import GuardConfig, ShadowConfig
from deployments.guard.guard import Guard
from deployments.guard.models import GuardModels
from deployments.guard.shadow.shadow import Counts, Shadow, ShadowLog, candidate_cnn, candidate_of
from deployments.inference.language_model import LanguageModelConfig
from deployments.ops.serve_config import read_serve_config
from deployments.ops.shadow_report import main as report
from deployments.paths import ROOT
from deployments.policy import CNNThresholds
from tests.guard.parts import POLICY, TableModel
from tests.ops.policy.test_diff import CANDIDATE, TABLE, changed, judge


def request(prompt: str, **fields) -> GuardRequest:
    return GuardRequest(prompt=prompt, **fields)


@pytest.fixture
def shadow(tmp_path):
    """Makes a shadow, and gives the lines of its log."""
    path = tmp_path / "runs" / "shadow.jsonl"

    def make(
        candidate=None, active=POLICY, at_once=8, seconds=60.0, log_path=path, **fields
    ) -> Shadow:
        log = ShadowLog(log_path, active, CANDIDATE, "embedded:cnn")
        candidate = candidate or judge(CANDIDATE, TableModel(TABLE))
        return Shadow(candidate, log, at_once, seconds, **fields)

    make.path = path
    make.lines = lambda: [json.loads(line) for line in path.read_text().splitlines()]
    return make


async def follow(shadow: Shadow, *prompts: str) -> None:
    active = judge(POLICY, TableModel(TABLE))
    for prompt in prompts:
        asked = request(prompt)
        verdict = await active(asked)
        async with started_tasks():
            shadow.follow(asked, verdict)


@asynccontextmanager
async def started_tasks():
    """Waits in the end for the tasks that were started within."""
    before = asyncio.all_tasks()
    yield
    if started := asyncio.all_tasks() - before:
        await asyncio.wait(started)


async def test_only_differing_verdicts_are_logged_without_the_prompt(shadow):
    running = shadow()
    await follow(running, "a dog", "a logo", "a stabbing", "a scuffle")
    logo, scuffle = shadow.lines()
    assert logo["case"]["difference"]["before"]["action"] == "allow"
    assert logo["case"]["difference"]["after"] == {
        "action": "block", "category": "brands", "score": pytest.approx(0.9), "stage": "llm",
    }  # fmt: skip
    assert scuffle["case"]["difference"]["after"]["action"] == "steer"
    assert scuffle["counts"] == {"compared": 4, "differing": 2, "dropped": 0, "failed": 0}
    assert (logo["active"]["name"], logo["candidate"]["hash"]) == ("test", CANDIDATE.ref.hash)
    assert "a logo" not in shadow.path.read_text()
    assert len(logo["case"]["prompt_sha256"]) == 64
    assert shadow.path.stat().st_mode & 0o077 == 0


async def test_the_active_policy_alone_says_whether_prompts_are_kept(shadow):
    await follow(shadow(active=changed(audit={"keep_prompts": True})), "a logo")
    assert shadow.lines()[0]["case"]["prompt"] == "a logo"


async def test_the_answer_does_not_wait_and_what_is_too_much_is_left_out(shadow):
    free = asyncio.Event()
    judged = []

    async def slow(asked):
        judged.append(asked.prompt)
        await free.wait()
        return await judge(CANDIDATE, TableModel(TABLE))(asked)

    running = shadow(slow, at_once=2)
    verdict = await judge(POLICY, TableModel(TABLE))(request("a logo"))
    async with started_tasks():
        for number in range(5):
            running.follow(request(f"a logo {number}"), verdict)
        assert judged == []  # not even begun: the answer is on its way first
        await asyncio.sleep(0)
        assert judged == ["a logo 0", "a logo 1"]
        free.set()
    assert running.counts == Counts(compared=2, differing=2, dropped=3)
    async with started_tasks():
        running.follow(request("a logo"), verdict)  # there is room again
    assert running.counts.compared == 3


async def test_what_is_in_flight_at_the_close_is_logged_before_the_file_is_closed(shadow):
    free = asyncio.Event()

    async def slow(asked):
        await free.wait()
        return await judge(CANDIDATE, TableModel(TABLE))(asked)

    files = open_files()
    running = shadow(slow)
    assert open_files() == files + 1
    verdict = await judge(POLICY, TableModel(TABLE))(request("a logo"))
    async with started_tasks():
        running.follow(request("a logo"), verdict)
        running.close()
        assert [line["counts"]["compared"] for line in shadow.lines()] == [0]
        free.set()
    assert [line["counts"]["compared"] for line in shadow.lines()] == [0, 1, 1]
    assert open_files() == files


async def test_a_shadow_that_fails_or_hangs_is_counted_and_not_felt(shadow, caplog):
    async def broken(asked):
        raise RuntimeError("a bug in the candidate")

    async def hanging(asked):
        await asyncio.Event().wait()

    with caplog.at_level(logging.ERROR):
        running = shadow(broken)
        await follow(running, "a dog", "a logo")
    assert running.counts == Counts(failed=2)
    assert len(caplog.records) == 1
    running = shadow(hanging, seconds=0.01)
    await follow(running, "a dog")
    assert running.counts == Counts(failed=1)
    assert shadow.lines() == []


async def test_a_log_that_is_full_is_not_felt(shadow):
    running = shadow(log_path=Path("/dev/full"))
    await follow(running, "a logo")
    running.close()
    assert running.counts == Counts(compared=1, differing=1, failed=1)


async def test_counts_are_logged_now_and_then_and_at_the_end(shadow):
    running = shadow(counts_every=2)
    await follow(running, "a dog", "a cat", "a cow")
    running.close()
    assert [line["counts"]["compared"] for line in shadow.lines()] == [2, 3]
    assert not any("case" in line for line in shadow.lines())


class TestGuard:
    """The guard with a shadow beside its cascade."""

    @pytest.fixture
    def guard(self, tmp_path):
        """Makes a guard whose shadow, if it has one, runs the candidate policy."""
        with ExitStack() as made:

            def make(shadowed: bool = True) -> Guard:
                log = str(tmp_path / "runs" / "shadow.jsonl")
                config = GuardConfig(
                    llm=LanguageModelConfig(model="unused"),
                    shadow=ShadowConfig(policy="candidate", log=log) if shadowed else None,
                )
                models = made.enter_context(closing(GuardModels(TableModel(TABLE), config)))
                guard = Guard(models, config, POLICY, CANDIDATE if shadowed else None)
                return made.enter_context(closing(guard))

            yield make

    async def judged(self, guard: Guard, prompt: str) -> PromptVerdict:
        async with started_tasks():
            found = await guard.screen(request(prompt))
            if not isinstance(found, PromptVerdict):
                found = await guard.decide(request(prompt), found)
        return found

    async def test_the_active_verdict_is_the_answer(self, guard, shadow):
        assert (await self.judged(guard(), "a logo")).action == "allow"
        (line,) = shadow.lines()
        assert line["case"]["difference"]["after"]["action"] == "block"

    async def test_a_verdict_of_the_screening_is_shadowed_too(self, guard, shadow):
        assert (await self.judged(guard(), "a blood bath")).stage == "blocklist"
        assert shadow.lines() == []

    async def test_without_a_shadow_there_is_none(self, guard, shadow):
        assert (await self.judged(guard(shadowed=False), "a logo")).action == "allow"
        assert not shadow.path.exists()

    async def test_the_last_counts_are_logged_when_the_guard_is_closed(self, guard, shadow):
        closed = guard()
        await self.judged(closed, "a dog")
        closed.close()
        assert shadow.lines()[-1]["counts"]["compared"] == 1

    async def test_reloads_leave_no_file_open(self, guard):
        reloaded = guard()
        files = open_files()
        for turn in range(20):
            word = {"violence": {"block_terms": [f"zorblax {turn}"]}}
            await reloaded.reword(changed(name="test", categories=word))
        assert open_files() == files
        assert (await self.judged(reloaded, "a zorblax 19")).action == "block"
        assert (await self.judged(reloaded, "a zorblax 3")).action == "allow"


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_shadow_tries_a_policy_or_a_single_stage():
    whole = ShadowConfig(policy="x.yaml")
    assert candidate_of(whole, POLICY, CANDIDATE) is CANDIDATE
    assert candidate_cnn(whole, "embedded:cnn") == "embedded:cnn"
    assert POLICY.ref  # its hash is cached now
    thresholds = ShadowConfig(cnn_thresholds=CNNThresholds(pass_below=0.2))
    tried = candidate_of(thresholds, POLICY, None)
    assert (tried.cnn.pass_below, tried.categories) == (0.2, POLICY.categories)
    assert tried.ref.hash != POLICY.ref.hash
    other = ShadowConfig(cnn="models/other")
    assert candidate_of(other, POLICY, None) is POLICY
    assert candidate_cnn(other, "embedded:cnn") == "models/other"
    assert candidate_cnn(ShadowConfig(cnn="none"), "embedded:cnn") is None


@pytest.mark.parametrize("fields", [{}, {"at_once": 4}, {"polcy": "x.yaml"}])
def test_a_shadow_that_tries_nothing_is_refused(fields):
    with pytest.raises(ValidationError):
        ShadowConfig(**fields)


@pytest.mark.slow
def test_the_graph_hands_the_candidate_to_the_guard(monkeypatch):
    bound = []
    guard = SimpleNamespace(bind=lambda *arguments: bound.append(arguments))
    monkeypatch.setattr(graph, "GuardDeployment", guard)
    args = read_serve_config(ROOT / "configs" / "miniature.yaml")["applications"][0]["args"]

    def build(shadow: dict | None) -> None:
        service = args["guard"] | {"shadow": shadow}
        graph.build(graph.SafelightConfig.model_validate(args | {"guard": service}))

    build({"policy": "configs/policies/strict.yaml"})
    build({"cnn": "none"})
    build(None)
    assert [candidate and candidate.name for *_, candidate in bound] == ["strict", None, None]
    with pytest.raises(ConfigurationError, match="cannot read"):
        build({"policy": "configs/policies/none.yaml"})


async def test_the_report_says_what_would_have_been_blocked_and_let_through(shadow, capsys):
    await follow(shadow(), "a dog", "a logo", "an acme anvil", "oafs")
    await follow(shadow(), "a scuffle", "a logo")  # another replica
    assert report([str(shadow.path)]) == 0
    *lines, summed = capsys.readouterr().out.splitlines()
    assert lines == [
        f"active test 1 ({POLICY.ref.hash}), candidate candidate 1 ({CANDIDATE.ref.hash}), "
        "CNN embedded:cnn",
        "6 prompts compared, 5 decided otherwise (83.33%); 0 left out, 0 failed",
        "would have been blocked: 4",
        "  brands: 3 (3 now allow)",
        "  demeaning: 1 (1 now rewrite)",
        "would have been steered: 1",
        "  violence: 1 (1 now block)",
    ]
    (pair,) = json.loads(summed)
    assert (pair["compared"], pair["differing"]) == (6, 5)
    assert pair["would_have"]["block"]["brands"] == {"allow": 3}


async def test_what_would_be_let_through_is_told_by_what_blocks_it_now(shadow, capsys):
    lenient = changed(categories={"violence": {"action": "allow"}})
    await follow(shadow(judge(lenient, TableModel(TABLE))), "a stabbing")
    assert report([str(shadow.path)]) == 0
    out = capsys.readouterr().out
    assert "would have been let through: 1\n  violence: 1 (1 now block)" in out


def test_a_damaged_or_missing_log_is_an_error(tmp_path, capsys):
    assert report([str(tmp_path / "none.jsonl")]) == 2
    (tmp_path / "bad.jsonl").write_text('{"time": "now"}\n')
    assert report([str(tmp_path / "bad.jsonl")]) == 2
    assert "bad.jsonl:1" in capsys.readouterr().err
