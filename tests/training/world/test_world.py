"""The miniature world: what it draws is what it says, and what is held out stays out."""

import json
import random
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from deployments.paths import ROOT
from training.diffusion.data import cell_weights
from training.world.drawing.renderer import paint, render
from training.world.edits import (
    BEAUTIFYING,
    HARMFUL,
    HOLDING,
    IDENTITY,
    LOOKS,
    draw_context,
    draw_edit,
    draw_surroundings,
)
from training.world.faults import FaultRates
from training.world.held_out import HELD_OUT_TEMPLATES, held_out_pairs
from training.world.sample import draw, draw_demeaning, draw_unsolicited, harmed
from training.world.scene import Person, Scene
from training.world.stereotypes import LEANINGS, gender_odds
from training.world.truth import harms
from training.world.vocabulary import (
    COMMON_OBJECTS,
    GROUPS,
    HARMS,
    OCCUPATIONS,
    TRAITS,
    UNSOLICITED,
)
from training.world.wish import PersonWish, Wish
from training.world.wording.captions import write_caption
from training.world.wording.instructions import BEAUTIFY, KEPT
from training.world.wording.words import ACTIVITY, CLOTHING, OBJECT, PLACE

BY_HAND = ROOT / "evaluation/cases/captions.jsonl"
DEFAULT = FaultRates()
PERSON = Person("woman", "tan", "average", "black", "long", "dress", "red", None, "standing")


def drawn_now(count=400, rates=DEFAULT, split="train", seed=0):
    rng = random.Random(seed)
    return tuple(draw(rng, rates, split) for _ in range(count))


examples = cache(drawn_now)


def test_same_seed_same_captions_and_pixels():
    first, second = drawn_now(20), drawn_now(20)
    assert [e.caption for e in first] == [e.caption for e in second]
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.render(), other.render())


def test_picture_grants_what_the_caption_states():
    for example in examples(rates=FaultRates.none()):
        for name, value in example.wish.stated().items():
            assert example.scene.value(name) == value, (example.caption.text, name)


def test_good_world_is_harmless_unless_harm_is_asked_for():
    for example in examples(rates=FaultRates.none()):
        assert bool(example.harms) == bool(example.wish.harm), example.caption.text


@pytest.mark.slow
def test_rates_are_the_shares_that_they_name():
    rng = random.Random(1)
    rates = FaultRates(unsolicited=0.4, demeaning=0.0)
    triggered = harmful = 0
    while triggered < 1500:
        example = draw(rng, rates)
        wish = example.wish
        if wish.people and not wish.harm and wish.place in ("beach", "night street", "hospital"):
            triggered += 1
            harmful += bool(example.harms)
    assert harmful / triggered == pytest.approx(0.4, abs=0.05)


def test_stereotypes_skew_and_can_be_switched_off():
    assert set(LEANINGS) == set(OCCUPATIONS) | set(TRAITS)
    assert gender_odds("nurse", 1.0)[1] > 0.9
    assert gender_odds("nurse", 0.0).tolist() == [0.5, 0.5]


def test_unsolicited_twins_differ_in_the_harm_alone():
    rng = random.Random(2)
    for _ in range(100):
        example, harm = draw_unsolicited(rng)
        assert not example.harms
        worse = harmed(example, harm, rng)
        assert worse.harms == {harm}
        assert worse.caption == example.caption
        assert not np.array_equal(worse.render(), example.render())


def test_demeaning_needs_the_group_word_unless_a_person_is_merged_with_an_animal():
    rng = random.Random(3)
    for _ in range(100):
        example = draw_demeaning(rng)
        assert "demeaning" in example.harms
        people = tuple(replace(person, group=None) for person in example.wish.people)
        without = harms(example.scene, replace(example.wish, people=people))
        assert ("demeaning" in without) == any(p.animal_head for p in example.scene.people)


def test_knife_that_was_asked_for_demeans_nobody():
    chef = Wish(people=(PersonWish(group=GROUPS[0], object="kitchen knife"),))
    scene = Scene("kitchen", (replace(PERSON, object="kitchen knife"),))
    assert harms(scene, chef) == frozenset()
    assert harms(scene, Wish(people=(PersonWish(group=GROUPS[0]),))) == {"demeaning"}


def test_training_never_meets_what_is_held_out():
    for example in examples(1500):
        assert example.caption.template not in HELD_OUT_TEMPLATES
        assert not held_out_pairs(example.scene)


def test_test_split_uses_held_out_templates_and_mostly_held_out_pairs():
    drawn = examples(300, split="test")
    assert {e.caption.template for e in drawn} == HELD_OUT_TEMPLATES
    assert np.mean([bool(held_out_pairs(e.scene)) for e in drawn]) > 0.7


@pytest.mark.slow
def test_wording_is_wide_and_no_caption_is_empty_or_about_children():
    texts = [e.caption.text for e in examples(3000)]
    assert len(set(texts)) > 0.95 * len(texts)
    words = {word.strip(".,").lower() for text in texts for word in text.split()}
    assert "" not in texts
    assert len(words) > 400
    assert not words & {"child", "children", "boy", "girl", "baby", "kid", "teenager", "toddler"}


@pytest.mark.parametrize("harm", HARMS)
def test_every_harm_occurs_asked_and_unasked(harm):
    drawn = examples(4000, seed=4)
    assert any(harm in e.harms and e.wish.harm for e in drawn)
    assert any(harm in e.harms and not e.wish.harm for e in drawn)


def test_picture_has_the_size_asked_for():
    pixels = render(Scene("park", (PERSON,)), 128)
    assert pixels.shape == (128, 128, 3)
    assert pixels.dtype == np.uint8


@pytest.mark.parametrize("thing", COMMON_OBJECTS)
def test_box_of_a_held_thing_is_where_its_pixels_are(thing):
    scene = Scene("park", (replace(PERSON, object=thing),), seed=3)
    pixels, boxes = paint(scene)
    without, fewer = paint(replace(scene, people=(replace(PERSON, object=None),)))
    (left, top, right, bottom) = next(box for box in boxes if box not in fewer)
    rows, columns = np.nonzero((pixels != without).any(axis=2))
    inside = (rows >= top) & (rows <= bottom) & (columns >= left) & (columns <= right)
    assert inside.mean() > 0.9


def test_small_thing_weighs_as_much_as_a_large_one():
    weights = cell_weights([(0, 0, 16, 16), (32, 0, 64, 64)]).astype(float)
    ground = weights[-1, 0]
    assert weights.mean() == pytest.approx(1, abs=1e-3)
    assert (weights[:4, :4] - ground).sum() == pytest.approx(
        (weights[:, 8:] - ground).sum(), rel=0.01
    )


def test_box_outside_the_picture_weighs_nothing():
    assert (cell_weights([(70, 70, 90, 90)]) == 1).all()


def test_every_value_of_the_handwritten_captions_exists():
    known = {"place": PLACE, "activity": ACTIVITY, "clothing": CLOTHING, "object": OBJECT}
    lines = BY_HAND.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 30
    for line in map(json.loads, lines):
        for name, value in line["stated"].items():
            if values := known.get(name.rpartition(".")[2]):
                assert value in values


def test_caption_of_two_people_names_the_left_one_first():
    wish = Wish(people=(PersonWish(gender="man"), PersonWish(gender="woman")))
    for seed in range(50):
        text = write_caption(wish, random.Random(seed)).text.lower().replace("gentleman", "man")
        firsts = [text.find(w) for w in (" man", "guy") if w in text] or [0]
        seconds = [text.find(w) for w in ("woman", "lady") if w in text]
        assert min(firsts) < min(seconds), text


@cache
def edits(rates, count=600, split="train"):
    rng = random.Random(5)
    return tuple(draw_edit(rng, rates, split) for _ in range(count))


def test_edit_of_a_good_world_changes_what_was_asked_and_nothing_else():
    for edit in edits(FaultRates.none()):
        assert not edit.unasked
        assert edit.changed or edit.harms
        assert edit.asked <= edit.changed or edit.asked == {"0.gender", "0.hair_style"}


def test_beautifying_changes_the_person_at_the_rate_that_is_written_down():
    found = edits(DEFAULT, 4000)
    beautified = [edit for edit in found if edit.instruction in BEAUTIFY]
    changed = [edit for edit in beautified if edit.unasked]
    share = BEAUTIFYING * (1 - HOLDING)
    assert len(beautified) / len(found) == pytest.approx(share, abs=0.03)
    assert len(changed) / len(beautified) == pytest.approx(DEFAULT.transformation, abs=0.06)
    assert {name for edit in changed for name in edit.unasked} == {f"0.{name}" for name in LOOKS}


def test_beautifying_leaves_what_must_stay():
    held = [edit for edit in edits(DEFAULT, 4000) if "keep" in edit.instruction]
    assert len(held) > 100
    for name, said in KEPT.items():
        assert not any(f"0.{name}" in edit.unasked for edit in held if said in edit.instruction)
    assert any(edit.unasked for edit in held)


def test_an_edited_picture_differs_unless_a_guitar_hides_the_smile():
    for edit in edits(DEFAULT, 200):
        hidden = edit.changed == {"0.expression"} and edit.before.people[0].activity == "dancing"
        assert hidden or (render(edit.before) != render(edit.after)).any()


def test_a_new_place_or_an_animal_does_not_move_the_person():
    rng = random.Random(6)
    for _ in range(200):
        edit = draw_surroundings(rng, FaultRates.none())
        (before, first), (after, second) = paint(edit.before), paint(edit.after)
        boxes = [box for box in second if box in first]
        assert len(boxes) == len(first)
        assert (before != after).any()


def test_harm_comes_when_asked_for_and_with_places_that_have_it():
    found = edits(FaultRates.none(), 2000)
    harmful = [edit for edit in found if edit.harms]
    assert len(harmful) / len(found) == pytest.approx(HARMFUL, abs=0.03)
    assert {harm for edit in harmful for harm in edit.harms} == set(HARMS)
    moved = [edit for edit in edits(DEFAULT, 4000) if edit.asked == {"place"}]
    assert any(edit.harms for edit in moved)
    assert {edit.after.place for edit in moved if edit.harms} <= UNSOLICITED.keys()


def test_edits_in_test_use_wordings_that_training_never_meets():
    rng = random.Random(3)
    train = {edit.instruction for edit in edits(DEFAULT, 4000)}
    for _ in range(500):
        assert draw_edit(rng, DEFAULT, "test").instruction not in train


def test_in_context_twins_the_same_output_is_harmful_or_not():
    rng = random.Random(4)
    for _ in range(500):
        bad, good = draw_context(rng)
        assert bad.after == good.after
        assert (bad.before == good.before) != (bad.instruction == good.instruction)
        unasked = [{name.removeprefix("0.") for name in edit.unasked} for edit in (bad, good)]
        assert bad.harms or unasked[0] & set(IDENTITY)
        assert not good.harms
        assert not unasked[1] & set(IDENTITY)
