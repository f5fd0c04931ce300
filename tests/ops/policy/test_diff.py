"""Two policies on the same prompts, on a model that answers from a table."""

import json

import pytest

from deployments.contracts import GuardRequest
from deployments.errors import ConfigurationError, UnparsableAnswer
from deployments.guard.calibration import Calibration
from deployments.guard.cascade import Cascade
from deployments.guard.config import GuardConfig
from deployments.guard.language.stage import LLMStage
from deployments.inference.language_model import LanguageModelConfig
from deployments.ops.policy import diff as module
from deployments.ops.policy.__main__ import main as policy_main
from deployments.ops.policy.diff import compare, counts, described, main, read_guard, read_requests
from deployments.policy import Policy
from tests.guard.parts import POLICY, TableModel

TABLE = {
    "stabbing": (0.9, {"A": 1.0}),
    "scuffle": (0.6, {"A": 1.0}),
    "mocked": (0.8, {"B": 1.0}),
    "logo": (0.9, {"D": 1.0}),
}


def changed(**parts) -> Policy:
    """The test policy with parts of it replaced, category by category where it is those."""
    document = POLICY.model_dump()
    for name, fields in parts.pop("categories", {}).items():
        document["categories"][name] |= fields
    return Policy.model_validate(document | {"name": "candidate"} | parts)


CANDIDATE = changed(
    thresholds={"steer": 0.5, "act": 0.7, "act_low": 0.7},
    categories={
        "brands": {"action": "block"},
        "demeaning": {"action": "block", "rewrite": None},
    },
)


def judge(policy: Policy, model: TableModel):
    config = GuardConfig(llm=LanguageModelConfig(model="unused"))
    return Cascade(policy, LLMStage(model, policy, config, Calibration())).judge


async def compared(*prompts: str):
    model = TableModel(TABLE)
    requests = [GuardRequest(prompt=prompt) for prompt in prompts]
    return await compare(judge(POLICY, model), judge(CANDIDATE, model), requests)


async def test_only_changed_decisions_are_described_in_the_order_of_the_prompts():
    found = await compared("a dog", "a logo", "a stabbing", "a scuffle", "an acme anvil", "oafs")
    assert [described(one) for one in found] == [
        None,
        'allow violence 0.00 by llm -> block brands 0.90 by llm: "a logo"',
        None,  # blocked by both
        'block violence 0.60 by llm -> steer violence 0.60 by llm: "a scuffle"',
        'allow violence 0.00 by llm -> block brands 1.00 by blocklist: "an acme anvil"',
        'rewrite (soften) demeaning 1.00 by blocklist -> block demeaning 1.00 by blocklist: "oafs"',
    ]


async def test_counts_are_by_change_and_category():
    found = await compared("a dog", "a logo", "an acme anvil", "a man mocked", "a scuffle")
    summed = counts(found, POLICY, CANDIDATE)
    assert (summed["prompts"], summed["changed"], summed["unanswered"]) == (5, 4, 0)
    assert summed["changes"] == {
        "allow -> block": {"brands": 2},
        "rewrite -> block": {"demeaning": 1},
        "block -> steer": {"violence": 1},
    }
    assert summed["before"]["name"] == "test"
    assert summed["after"]["hash"] == CANDIDATE.ref.hash


async def test_a_policy_does_not_differ_from_itself():
    both = judge(POLICY, TableModel(TABLE))
    found = await compare(both, both, [GuardRequest(prompt=word) for word in TABLE])
    assert all(described(one) is None for one in found)


async def test_another_reason_is_another_decision():
    renamed = changed()
    categories = {("gore" if n == "violence" else n): c for n, c in renamed.categories.items()}
    renamed = Policy.model_validate(renamed.model_dump() | {"categories": categories})
    model = TableModel(TABLE)
    requests = [GuardRequest(prompt="a stabbing"), GuardRequest(prompt="a dog")]
    stabbing, dog = await compare(judge(POLICY, model), judge(renamed, model), requests)
    assert described(stabbing).startswith("block violence 0.90 by llm -> block gore 0.90")
    assert described(dog) is None


async def test_what_has_no_verdict_is_told_and_counted():
    async def silent(request):
        raise UnparsableAnswer("guard", "it stutters")

    requests = [GuardRequest(prompt="a dog")]
    found = await compare(judge(POLICY, TableModel(TABLE)), silent, requests)
    assert described(found[0]) == 'no verdict (guard: it stutters): "a dog"'
    summed = counts(found, POLICY, CANDIDATE)
    assert (summed["unanswered"], summed["changed"]) == (1, 0)


def test_prompts_are_lines_or_json_lines(tmp_path):
    text = tmp_path / "prompts.txt"
    text.write_text("a dog\n\n  a cat \u2028 too\n", encoding="utf-8")
    assert [request.prompt for request in read_requests(text)] == ["a dog", "a cat \u2028 too"]
    lines = tmp_path / "prompts.jsonl"
    rows = [
        {"prompt": "a dog", "negative_prompt": "blood", "operation": "edit"},
        {"prompt": "a cat", "label": 0},
    ]
    lines.write_text("\n".join(map(json.dumps, rows)))
    assert read_requests(lines) == [
        GuardRequest(prompt="a dog", negative_prompt="blood", operation="edit"),
        GuardRequest(prompt="a cat"),
    ]


@pytest.mark.parametrize(
    "line", ["{", "[]", '"a"', '{"text": "a"}', '{"prompt": 1}', '{"prompt":"a","operation":"x"}']
)
def test_a_line_that_is_no_request_is_named(tmp_path, line):
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "a dog"}\n' + line)
    with pytest.raises(ConfigurationError, match=r"prompts\.jsonl:2"):
        read_requests(path)


def test_no_prompts_are_a_mistake(tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ConfigurationError, match="no prompts"):
        read_requests(tmp_path / "empty.txt")
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_requests(tmp_path / "missing.txt")


def test_the_guard_is_the_one_that_the_configuration_serves():
    config, environment = read_guard(module.Path("configs/miniature.yaml"))
    assert config.llm.model == "embedded:guard"
    assert environment["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert environment["HF_HUB_OFFLINE"] == "1"


def test_the_command_prints_changed_decisions_and_ends_with_json(tmp_path, capsys):
    async def on_table(before, after, requests, config):
        model = TableModel(TABLE)
        return await compare(judge(before, model), judge(after, model), requests)

    files = []
    for policy in (POLICY, CANDIDATE):
        files.append(tmp_path / f"{policy.name}.yaml")
        files[-1].write_text(json.dumps(policy.model_dump(mode="json")))  # JSON is YAML too
    (tmp_path / "prompts.txt").write_text("a dog\na logo\n")
    assert main([str(file) for file in (*files, tmp_path / "prompts.txt")], on_table) == 0
    line, summed = capsys.readouterr().out.splitlines()
    assert line.endswith('block brands 0.90 by llm: "a logo"')
    assert json.loads(summed)["changes"] == {"allow -> block": {"brands": 1}}


@pytest.mark.parametrize("command", [main, lambda rest: policy_main(["diff", *rest])])
def test_both_command_lines_name_a_missing_policy(command, tmp_path, capsys):
    assert command([str(tmp_path / "none.yaml"), str(tmp_path / "b.yaml"), "prompts.txt"]) == 2
    assert "none.yaml" in capsys.readouterr().err
