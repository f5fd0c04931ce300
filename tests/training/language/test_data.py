"""The text that guard and rewriter learn from, and how it is packed and read."""

import json
import random

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from deployments.paths import ROOT
from deployments.policy import load_policy
from training.language.corpora import MINORS, Corpora, Pair, Row
from training.language.grammar import expand
from training.language.guard.lessons import Curriculum, label
from training.language.packing import IGNORED, pack, stack
from training.language.rewriter.examples import Batches, Grammar

POLICY = load_policy(ROOT / "configs/policies/default.yaml")
CATEGORIES = ("violence", "sexual", "hate", "demeaning", "illicit")
CORPORA = Corpora(
    pairs=[
        Pair(f"a lazy man number {i} on a sofa", f"a calm man number {i} on a sofa", name, "x")
        for i, name in enumerate(CATEGORIES)
    ],
    users=[Row(f"a lamp, {i} lights, studio", None) for i in range(20)]
    + [Row("Batman in a kitchen", "intellectual_property"), Row("a boy on a swing", None)],
    held_out_pairs=[],
    held_out_users=[],
)


def frames() -> list[str]:
    return Grammar().frames


def test_a_choice_and_a_slot_are_filled_and_the_slot_stays_within_a_row() -> None:
    slots = {"thing": "(kite|boat)"}
    texts = {expand("a <thing> (up|down), <thing>", slots, random.Random(i), {}) for i in range(50)}
    assert texts == {f"a {t} {way}, {t}" for t in ("kite", "boat") for way in ("up", "down")}


@pytest.mark.slow
@pytest.mark.parametrize("frame", frames())
def test_every_frame_expands_whole(frame: str) -> None:
    grammar = Grammar()
    for seed in range(10):
        example = grammar.example(frame, random.Random(seed))
        for text in (example.prompt, example.answer or ""):
            assert not set("<>~|();") & set(text), text
        assert example.prompt != example.answer


def test_what_is_harmless_is_the_same_on_both_sides() -> None:
    frame = "a <bad> <nation> baker <place>, <style> => a <nation> baker <place>, <style>"
    for seed in range(30):
        example = Grammar().example(frame, random.Random(seed))
        assert example.answer is not None
        kept = example.answer.split()[1:]  # a or an
        assert example.prompt.endswith(" ".join(kept))


@pytest.mark.slow
def test_a_batch_is_a_function_of_seed_and_index() -> None:
    one, again, other = Batches(CORPORA), Batches(CORPORA), Batches(CORPORA, seed=1)
    assert one.batch(7) == again.batch(7)
    assert one.batch(7) != one.batch(8)
    assert one.batch(7) != other.batch(7)


def test_the_rewriter_learns_to_keep_to_refuse_and_to_change_but_not_of_minors() -> None:
    batches = Batches(CORPORA, size=600)
    examples = batches.batch(0)
    assert any(e.answer == e.prompt for e in examples)
    assert any(e.answer is None for e in examples)
    assert sum(e.answer not in (None, e.prompt) for e in examples) > 300
    assert not [e.prompt for e in examples if MINORS.search(e.prompt)]


@pytest.mark.slow
def test_evaluation_prompts_are_no_training_prompts() -> None:
    lines = (ROOT / "evaluation/cases/demeaning.jsonl").read_text(encoding="utf-8").splitlines()
    held_out = {json.loads(line)["prompt"].casefold() for line in lines}
    assert len(held_out) == 50
    batches = Batches(CORPORA, size=100)
    drawn = {e.prompt.casefold() for i in range(20) for e in batches.batch(i)}
    assert not held_out & drawn


@pytest.mark.slow
def test_a_lesson_labels_by_its_own_policy() -> None:
    curriculum = Curriculum(POLICY, CORPORA, size=14)
    for index in range(20):
        lesson = curriculum.lesson(index)
        assert len(lesson.rows) == len(lesson.labels) <= 14
        assert lesson.labels == [label(row, lesson.policy) for row in lesson.rows]
        assert {name for name in lesson.labels if name} <= set(lesson.policy.categories)


def test_a_category_off_the_list_is_safe_or_falls_to_the_wider_one() -> None:
    def without(*names: str):
        kept = {n: c for n, c in POLICY.categories.items() if n not in names}
        return POLICY.model_copy(update={"categories": kept})

    crime = Row("x", "sex_crimes")
    assert label(crime, POLICY) == "sex_crimes"
    assert label(crime, without("sex_crimes")) == "sexual"
    assert label(crime, without("sex_crimes", "sexual")) is None
    assert label(Row("x", "violence"), without("violence")) is None


def test_packed_prompts_read_as_they_do_alone() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=50,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    model = LlamaForCausalLM(config).eval()
    prefix, tails, answers = [1, 2, 3, 4], [[5, 6, 7], [8], [9, 10]], [[11, 12], [13], [14, 15, 16]]
    longer = pack([1] * 30, [[2]], [[3]])
    packed = stack([pack(prefix, tails, answers), longer])
    with torch.inference_mode():
        together = model(
            input_ids=packed.ids, position_ids=packed.positions, attention_mask=packed.mask
        ).logits
        read = together[packed.labels != IGNORED][:-1]
        alone = []
        for tail, answer in zip(tails, answers, strict=True):
            ids = torch.tensor([prefix + tail + answer[:-1]])
            alone.append(model(input_ids=ids).logits[0, -len(answer) :])
    labels = packed.labels[packed.labels != IGNORED].tolist()
    assert labels == [t for a in [*answers, [3]] for t in a]
    torch.testing.assert_close(read, torch.cat(alone), atol=1e-5, rtol=1e-4)
