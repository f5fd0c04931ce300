from dataclasses import replace

import pytest
import torch

from deployments.diffusion.config import ConceptSteering, HeadSteering, Interval, Steering
from deployments.diffusion.steering.guidance import (
    away_from_concept,
    away_from_harm,
    bounded,
    logit,
    margin_gradient,
    polyak_step,
    shortened,
)
from deployments.diffusion.steering.moment import Contrast, Moment
from deployments.diffusion.steering.prediction import Affine
from deployments.diffusion.steering.steerers import ConceptSteerer, HarmScorer, HeadSteerer
from deployments.diffusion.steering.turning import Turning
from deployments.diffusion.text import Text
from tests.diffusion.tiny import LinearHead

CLEAN = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
PROMPT = torch.zeros(1, 16)
SHOWN = Text(torch.ones(1, 1, 1), None, PROMPT)


def linear(clean: torch.Tensor) -> torch.Tensor:
    return clean.flatten(1).sum(dim=1) / 16 + 3.0


def curved(clean: torch.Tensor) -> torch.Tensor:
    return clean.flatten(1).square().mean(dim=1) - 0.5


def moment(progress: float = 0.0, b: float = -0.8) -> Moment:
    generator = torch.Generator().manual_seed(5)
    output, sample = torch.randn(2, 1, 4, 8, 8, generator=generator)
    return Moment(output, sample, 900.0, Affine(0.6, b), progress)


def steps_of(steerer: ConceptSteerer, *places: float) -> list[tuple[bool, torch.Tensor | None]]:
    """For each step, whether the steerer asked for a branch, and its edit.

    The denoiser answers 0 to the prompt and 1 to the branch.
    """
    steps = []
    for progress in places:
        branch = steerer.branch(progress)
        start = moment(progress)
        zeros, ones = torch.zeros_like(start.sample), torch.ones_like(start.sample)
        contrast = Contrast(zeros, ones) if branch is not None else None
        steps.append((branch is not None, steerer.edit(replace(start, contrast=contrast))))
    return steps


def scorer(bias: float = 2.0, category: str | None = "violence") -> HarmScorer:
    return HarmScorer(LinearHead(bias), PROMPT, category)


# The maths


def test_one_polyak_step_brings_a_linear_margin_to_zero():
    shift = polyak_step(*margin_gradient(linear, CLEAN))
    assert torch.allclose(linear(CLEAN + shift), torch.zeros(2), atol=1e-5)


def test_a_negative_margin_is_left_alone():
    assert not polyak_step(torch.tensor([-1.0, 0.0]), torch.ones(2, 4)).any()


def test_a_vanishing_gradient_gives_no_numbers_out_of_range():
    assert polyak_step(torch.tensor([5.0]), torch.zeros(1, 4)).isfinite().all()


def test_rows_are_steered_independently_of_each_other():
    both = away_from_harm(curved, CLEAN, strength=1.0, steps=3, max_shift=1.0)
    alone = away_from_harm(curved, CLEAN[:1], strength=1.0, steps=3, max_shift=1.0)
    assert torch.allclose(both[:1], alone, atol=1e-6)


def test_inner_steps_bring_a_curved_margin_closer_to_zero():
    margins = [
        float(
            curved(CLEAN + away_from_harm(curved, CLEAN, strength=1.0, steps=n, max_shift=9.0))[0]
        )
        for n in (1, 2, 4)
    ]
    assert margins == sorted(margins, reverse=True)
    assert margins[-1] < 0.2 * float(curved(CLEAN)[0])


def test_the_shift_is_never_longer_than_its_share_of_the_latent():
    shift = away_from_harm(
        lambda clean: linear(clean) + 1e4, CLEAN, strength=2.0, steps=5, max_shift=0.25
    )
    assert torch.allclose(shift.flatten(1).norm(dim=1), 0.25 * CLEAN.flatten(1).norm(dim=1))


def test_shortening_keeps_the_direction_and_leaves_short_shifts():
    shift = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    assert torch.allclose(
        shortened(shift, torch.tensor([1.0, 1.0])), torch.tensor([[0.6, 0.8], [0.3, 0.4]])
    )


def test_steering_works_where_gradients_are_switched_off():
    with torch.no_grad():
        assert away_from_harm(linear, CLEAN, strength=1.0, steps=1, max_shift=9.0).any()


def test_bounding_takes_large_differences_whole_and_small_ones_hardly():
    difference = torch.tensor([2.0, -2.0, 0.01, -0.01, 0.0])
    assert torch.allclose(bounded(difference, 10.0), torch.tensor([2.0, -2.0, 0.001, -0.001, 0.0]))


def test_the_concept_change_points_away_from_the_concept():
    prompt, concept = torch.zeros(3), torch.tensor([1.0, -1.0, 0.0])
    change = away_from_concept(prompt, concept, scale=2.0, sensitivity=10.0)
    assert change.tolist() == [-2.0, 2.0, 0.0]


# The head as a request asks it


def test_a_category_that_the_head_knows_is_read_alone_and_another_reads_the_highest():
    clean = moment().clean
    logits = LinearHead()(clean, torch.tensor([900.0]), PROMPT)[0]
    assert scorer(category="hate").logit(clean, 900.0).item() == logits[2].item()
    for unknown in ("weapons", None):
        assert scorer(category=unknown).logit(clean, 900.0).item() == logits.max().item()


# The steerers


def test_the_head_steerer_takes_the_clean_latent_to_the_target():
    config = HeadSteering(model="x", target=0.1, inner_steps=3, max_shift=5.0)
    before = moment()
    output = HeadSteerer(scorer(), config, strength=1.0).edit(before)
    after = Moment(output, before.sample, before.timestep, before.affine, before.progress)
    assert scorer().score(before) > 0.5
    assert scorer().score(after) == pytest.approx(0.1, abs=1e-3)


def test_the_head_steerer_leaves_what_is_below_the_target():
    config = HeadSteering(model="x", target=0.5)
    assert HeadSteerer(scorer(bias=-6.0), config, strength=1.0).edit(moment()) is None


@pytest.mark.parametrize("progress", [0.1, 0.5, 0.9])
def test_no_steerer_acts_outside_its_window(progress):
    window = {"start": 0.25, "stop": 0.5}
    head = HeadSteerer(scorer(), HeadSteering(model="x", **window), strength=1.0)
    assert head.edit(moment(progress)) is None
    concept = ConceptSteerer(SHOWN, ConceptSteering(concepts={}, **window), 1.0, gate=None)
    assert steps_of(concept, progress) == [(False, None)]


def test_a_window_holds_its_start_and_not_its_stop():
    assert Interval(start=0.0, stop=0.5).holds(0.0)
    assert not Interval(start=0.0, stop=0.5).holds(0.5)
    assert not Interval(start=0.3, stop=0.3).holds(0.3)


def test_the_concept_steerer_stops_asking_when_the_head_is_satisfied_and_asks_again():
    gate = scorer(bias=-6.0)
    steerer = ConceptSteerer(SHOWN, ConceptSteering(concepts={}), 1.0, gate, target=0.5)
    # The score is not known before the first step.
    assert steps_of(steerer, 0.0, 0.1) == [(True, None), (False, None)]
    gate._head.bias = 6.0
    assert steps_of(steerer, 0.2) == [(False, None)]  # seen now, asked for from the next step on
    [(branch, edited)] = steps_of(steerer, 0.3)
    assert branch
    assert edited is not None


def test_between_its_rows_the_concept_steerer_holds_its_last_change():
    steerer = ConceptSteerer(SHOWN, ConceptSteering(concepts={}, every=2), 1.0, gate=None)
    branches, edited = zip(*steps_of(steerer, 0.0, 0.25, 0.5, 0.75), strict=True)
    assert branches == (True, False, True, False)
    assert all(torch.equal(one, edited[0]) for one in edited)
    assert not torch.equal(edited[0], moment().output)


def test_the_concept_steerer_scales_with_strength():
    config = ConceptSteering(concepts={}, scale=3.0)
    for strength in (1.0, 2.0):
        steerer = ConceptSteerer(SHOWN, config, strength, gate=None)
        [(_, edited)] = steps_of(steerer, 0.0)
        assert torch.allclose(edited, moment().output - 3.0 * strength)


def test_turning_notes_the_first_edit_and_the_score_before_it():
    config = HeadSteering(model="x", target=0.1, start=0.5)
    turning = Turning((HeadSteerer(scorer(), config, strength=1.0),), scorer())
    first = moment(progress=0.0)
    output, began = turning.turn(first, 0)
    assert (output is first.output, began) == (True, False)
    assert (turning.turned_at, turning.score_before) == (None, None)
    assert turning.turn(moment(progress=0.5), 2)[1]
    assert not turning.turn(moment(progress=0.75), 3)[1]
    assert turning.turned_at == 2
    assert turning.score_before == pytest.approx(scorer().score(first))


def test_half_precision_outputs_stay_in_their_dtype():
    half = moment()
    half = Moment(half.output.bfloat16(), half.sample.bfloat16(), 900.0, half.affine, 0.0)
    config = HeadSteering(model="x", target=0.1)
    assert HeadSteerer(scorer(), config, strength=1.0).edit(half).dtype == torch.bfloat16


def test_logit_is_the_inverse_of_the_sigmoid():
    assert torch.tensor(logit(0.2)).sigmoid().item() == pytest.approx(0.2)


def test_steering_without_any_steerer_is_refused():
    with pytest.raises(ValueError, match="`head`, `concept` or both"):
        Steering()
