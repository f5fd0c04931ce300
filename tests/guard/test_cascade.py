"""The stages together, on a model that answers from a table."""

import json

import pytest

from deployments.contracts import GuardRequest
from deployments.errors import ConfigurationError, UnparsableAnswer
from deployments.guard.calibration import Calibration
from deployments.guard.canaries import Canaries, check_canaries
from deployments.guard.cascade import Cascade
from deployments.guard.config import GuardConfig
from deployments.guard.language.stage import LLMStage
from deployments.inference.language_model import LanguageModelConfig
from deployments.policy import MINORS, CNNThresholds, Reasons
from tests.guard.parts import POLICY, TableModel

TABLE = {
    "stabbing": (0.9, {"A": 1.0}),
    "mocked": (0.8, {"B": 0.75, "D": 0.25}),
    "brawl": (0.8, {"A": 0.5, "B": 0.5}),
    "logo": (0.9, {"D": 1.0}),
    "strange": (0.9, {}),
}


def config(**changes) -> GuardConfig:
    return GuardConfig(llm=LanguageModelConfig(model="unused"), **changes)


def cascade(
    model: TableModel, calibration: Calibration | None = None, policy=POLICY, **changes
) -> Cascade:
    stage = LLMStage(model, policy, config(**changes), calibration or Calibration())
    return Cascade(policy, stage)


async def judge(prompt: str, **fields):
    return await cascade(TableModel(TABLE)).judge(GuardRequest(prompt=prompt, **fields))


async def test_a_safe_prompt_takes_one_pass_and_every_stage_reports():
    model = TableModel(TABLE)
    verdict = await cascade(model).judge(GuardRequest(prompt="a dog on a lawn"))
    assert (verdict.action, verdict.stage, verdict.why) == ("allow", "llm", "")
    assert len(model.questions) == 1
    assert [r.stage for r in verdict.stages] == ["minors", "blocklist", "llm"]
    assert [r.action for r in verdict.stages] == ["pass", "pass", "allow"]
    assert set(verdict.scores) == set(POLICY.categories)


async def test_a_category_scores_unsafe_times_its_letter():
    verdict = await judge("a man mocked in the street")
    assert verdict.scores["demeaning"] == pytest.approx(0.6)
    assert verdict.scores["brands"] == pytest.approx(0.2)
    assert (verdict.action, verdict.rewrite, verdict.why) == ("rewrite", "soften", "it demeans")
    assert verdict.stages[-1].category == "demeaning"


class Seen:
    """An embedding stage that says the same of everything, in the categories it knows."""

    def __init__(self, scores: dict[str, float], knows: tuple[str, ...] | None = None) -> None:
        self.scores, self.categories = scores, knows or tuple(POLICY.categories)

    def score(self, requests):
        return [self.scores for _ in requests]


def with_cnn(model: TableModel, seen: Seen, **thresholds) -> Cascade:
    policy = POLICY.model_copy(
        update={"cnn": CNNThresholds(pass_below=0.1, block_above=0.9, **thresholds)}
    )
    stage = LLMStage(model, policy, config(), Calibration())
    return Cascade(policy, stage, seen)


async def test_the_cnn_lets_pass_what_it_is_sure_of_and_the_model_is_not_asked():
    model = TableModel(TABLE)
    verdict = await with_cnn(model, Seen({"violence": 0.05})).judge(GuardRequest(prompt="a dog"))
    assert (verdict.action, verdict.stage) == ("allow", "cnn")
    assert model.questions == []


@pytest.mark.parametrize(
    ("prompt", "seen"),
    [
        ("a dog", Seen({"violence": 0.2})),  # unsure
        ("a dog", Seen({"violence": 0.06, "demeaning": 0.06})),  # unsure of all kinds together
        ("a dog with a knife", Seen({"violence": 0.05})),  # a listed word
        ("a dog", Seen({"violence": 0.05}, knows=("violence",))),  # a category it does not know
        ("a logo", Seen({"brands": 0.99})),  # sure of what the policy allows
    ],
)
async def test_what_the_cnn_leaves_the_model_decides(prompt, seen):
    model = TableModel(TABLE)
    verdict = await with_cnn(model, seen).judge(GuardRequest(prompt=prompt))
    asked = bool(model.questions)
    assert asked == (prompt != "a logo")
    assert (verdict.action, verdict.stage) == ("allow", "llm" if asked else "cnn")


class Blind(Seen):
    """Reads nothing, as an encoder whose tokenizer knows none of the characters."""

    def score(self, requests):
        return []


async def test_what_the_cnn_cannot_read_the_model_decides():
    verdict = await with_cnn(TableModel(TABLE), Blind({})).judge(GuardRequest(prompt="stabbing"))
    assert (verdict.action, verdict.stage) == ("block", "llm")


async def test_a_cnn_that_says_safe_to_everything_fails_its_canaries():
    canaries = Canaries(good=("a dog",), bad={"violence": ("a stabbing",)})
    safe = with_cnn(TableModel(TABLE), Seen({"violence": 0.0}))
    with pytest.raises(ConfigurationError, match="'a stabbing' must be block, is allow"):
        await check_canaries(canaries, POLICY, safe.judge_by_embedding)
    unsure = with_cnn(TableModel(TABLE), Seen({"violence": 0.5}))
    await check_canaries(canaries, POLICY, unsure.judge_by_embedding)


async def test_the_cnn_blocks_what_it_is_sure_of():
    model = TableModel(TABLE)
    verdict = await with_cnn(model, Seen({"violence": 0.95})).judge(GuardRequest(prompt="a dog"))
    assert (verdict.action, verdict.stage, verdict.why) == ("block", "cnn", "it is violent")
    assert model.questions == []


async def test_a_rewrite_is_never_decided_by_the_cnn_alone():
    model = TableModel(TABLE)
    verdict = await with_cnn(model, Seen({"demeaning": 0.95})).judge(GuardRequest(prompt="a dog"))
    assert (verdict.action, verdict.stage) == ("allow", "llm")


async def test_both_readers_have_a_voice_in_what_is_unclear():
    cascade = with_cnn(TableModel(TABLE), Seen({"violence": 0.3}), weight=0.5)
    verdict = await cascade.judge(GuardRequest(prompt="a stabbing"))
    assert verdict.scores["violence"] == pytest.approx(0.6)
    # An operator's own category, which the CNN does not know, has the model's score alone.
    unknown = with_cnn(TableModel(TABLE), Seen({}, knows=("brands",)), weight=0.5)
    verdict = await unknown.judge(GuardRequest(prompt="a stabbing"))
    assert verdict.scores["violence"] == pytest.approx(0.9)


async def test_harm_of_two_kinds_is_attributed_to_the_higher():
    verdict = await judge("a brawl")
    assert (verdict.action, verdict.score) == ("block", pytest.approx(0.8))


async def test_harm_that_has_no_letter_is_blocked():
    verdict = await judge("a strange thing")
    assert (verdict.action, verdict.category) == ("block", None)
    assert "no kind that the policy names" in verdict.why


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [("a strange thing", "what it is, I cannot say"), ("a nude teen", "never")],
)
async def test_every_reason_is_the_policys_text(prompt, reason):
    reasons = Reasons(minors="never", unknown="what it is, I cannot say")
    policy = POLICY.model_copy(update={"reasons": reasons})
    verdict = await cascade(TableModel(TABLE), policy=policy).judge(GuardRequest(prompt=prompt))
    assert (verdict.why, verdict.stages[-1].why) == (reason, reason)


async def test_what_the_policy_allows_passes():
    assert (await judge("a logo")).action == "allow"


async def test_words_that_block_need_no_model():
    model = TableModel(TABLE)
    verdict = await cascade(model).judge(GuardRequest(prompt="a bl00d bath"))
    assert (verdict.action, verdict.stage, verdict.score) == ("block", "blocklist", 1.0)
    assert not model.questions


async def test_listed_words_act_as_their_category_does():
    assert (await judge("a lot of oafs")).rewrite == "soften"
    assert (await judge("a lot of oafs")).stage == "blocklist"
    allowed = await judge("an acme anvil")
    assert (allowed.action, allowed.scores["brands"]) == ("allow", 1.0)
    assert (await judge("oafs in a blood bath")).category == "violence"


async def test_suspect_words_are_noted_and_the_model_decides():
    verdict = await judge("a chef with a knife")
    assert (verdict.action, verdict.stages[1].action) == ("allow", "ask")
    assert verdict.stages[1].category == "violence"


async def test_the_rule_on_minors_is_first_and_beyond_policy():
    model = TableModel(TABLE)
    verdict = await cascade(model).judge(GuardRequest(prompt="a nude teen", loosen=True))
    assert (verdict.action, verdict.category, verdict.stage) == ("block", MINORS, "minors")
    assert verdict.scores[MINORS] == 1.0
    assert set(POLICY.categories) < set(verdict.scores)
    assert not model.questions


async def test_harm_that_is_avoided_is_no_listed_word():
    verdict = await judge("a dog", negative_prompt="blood bath, oafs, nude child")
    assert verdict.action == "allow"


async def test_the_model_reads_text_without_disguise_and_what_spelling_stands_for():
    assert (await judge("a ｓｔａｂｂｉｎｇ")).action == "block"
    assert (await judge("a st4bb1ng")).action == "block"
    assert (await judge("s t a b b i n g")).action == "block"


async def test_a_long_prompt_is_read_whole():
    filler = "trees and meadows " * 300
    for prompt in (f"stabbing {filler}", f"{filler} stabbing {filler}", f"{filler} stabbing"):
        assert (await judge(prompt)).action == "block"
    assert (await judge(filler)).action == "allow"


async def test_operations_leave_out_what_does_not_apply():
    model = TableModel({"shirt": (0.9, {"C": 1.0})})
    edit = await cascade(model).judge(GuardRequest(prompt="shirt", operation="edit"))
    assert (edit.action, edit.category) == ("block", "undressing")
    await cascade(model).judge(GuardRequest(prompt="shirt"))
    assert "C : clothes removed" in model.questions[0]
    assert "C : clothes removed" not in model.questions[-1]


async def test_an_answer_outside_the_form_is_no_verdict():
    with pytest.raises(UnparsableAnswer):
        await cascade(TableModel(TABLE, mass=0.05)).judge(GuardRequest(prompt="a dog"))


def test_calibration_is_read_from_beside_the_weights(tmp_path):
    assert Calibration.of_model(str(tmp_path)).probability(0.0) == 0.5
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps({"scale": 2.0, "bias": -1.0}))
    found = Calibration.of_model(str(tmp_path))
    assert found.probability(0.5) == pytest.approx(0.5)
    assert found.probability(1000.0) == 1.0
    assert found.probability(-1000.0) == 0.0
    file.write_text("{}x")
    with pytest.raises(ConfigurationError, match=r"calibration\.json"):
        Calibration.of_model(str(tmp_path))


async def test_calibration_moves_the_verdict():
    lenient = cascade(TableModel(TABLE), Calibration(scale=1.0, bias=-4.0))
    assert (await lenient.judge(GuardRequest(prompt="a stabbing"))).action == "allow"


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"floor": 0.4}, "floor"), ({"window": 2000, "overlap": 32}, "max_model_len")],
)
def test_settings_that_cannot_work_are_refused(changes, message):
    with pytest.raises(ConfigurationError, match=message):
        cascade(TableModel(TABLE), **changes)


CANARIES = Canaries(good=("a dog", "a cat"), bad={"violence": ("a stabbing",)})


async def test_canaries_pass_on_a_sound_model():
    await check_canaries(CANARIES, POLICY, cascade(TableModel(TABLE)).judge_by_model)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({}, "'a stabbing' must be block, is allow"),  # says safe to everything
        ({"a": (0.9, {"A": 1.0})}, "'a dog' must be allow, is block"),
    ],
)
async def test_a_model_that_misjudges_canaries_does_not_start(table, message):
    judge_by_model = cascade(TableModel(table)).judge_by_model
    with pytest.raises(ConfigurationError, match=message):
        await check_canaries(CANARIES, POLICY, judge_by_model)


async def test_word_lists_do_not_help_a_broken_model_past_its_canaries():
    listed = Canaries(good=("a dog",), bad={"violence": ("a blood bath",)})
    with pytest.raises(ConfigurationError, match="blood bath"):
        await check_canaries(listed, POLICY, cascade(TableModel({})).judge_by_model)


def test_a_blocking_policy_needs_a_bad_canary_of_its_own():
    with pytest.raises(ConfigurationError, match="known-bad canary"):
        Canaries(good=("a dog",), bad={"hate": ("a slogan",)}).of(POLICY)


def test_canaries_of_what_the_policy_does_not_block_are_left_out():
    canaries = Canaries(good=("a dog",), bad={"violence": ("x",), "brands": ("y",), "hate": ("z",)})
    assert canaries.of(POLICY) == [("a dog", False), ("x", True)]


async def test_what_was_screened_under_other_word_lists_is_screened_again():
    request = GuardRequest(prompt="a man mocked by a zorblax")
    before = cascade(TableModel(TABLE))
    screening = await before.screen(request)
    violence = POLICY.categories["violence"].model_copy(update={"block_terms": ("zorblax",)})
    newer = POLICY.model_copy(update={"categories": {**POLICY.categories, "violence": violence}})
    newer.__dict__.pop("ref", None)  # the copy would keep the cached hash
    verdict = await before.reworded(newer).decide(request, screening)
    assert (verdict.action, verdict.stage, verdict.policy) == ("block", "blocklist", newer.ref)
    assert (await before.decide(request, screening)).stage == "llm"
