"""Trajectories that are checked, and turned, in mid-flight."""

import pytest
import torch
from diffusers import DPMSolverMultistepScheduler

from deployments.contracts import Watch
from deployments.diffusion.config import ConceptSteering, HeadSteering, Steering
from deployments.diffusion.sampling.sampler import Sampler
from deployments.diffusion.steering.moment import Moment
from deployments.diffusion.steering.prediction import Affine
from deployments.diffusion.steering.watch import Watcher
from deployments.errors import ConfigurationError
from tests.diffusion import tiny
from tests.diffusion.tiny import LinearHead, request

CATEGORIES = LinearHead.categories
STEERING = Steering(
    head=HeadSteering(model="x", target=0.05, gates=False),
    concept=ConceptSteering(concepts={"violence": "blood"}),
)


def watch(**changes) -> Watch:
    wanted = {"check_points": (0.5,), "thresholds": dict.fromkeys(CATEGORIES, 0.5)}
    return Watch.model_validate(wanted | changes)


def sampler(bias: float) -> Sampler:
    pipeline = tiny.stable_diffusion()
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    return Sampler(pipeline, STEERING, LinearHead(bias))


class FixedHead:
    """A head that gives fixed scores, whatever the latent; `asked` counts its calls."""

    categories = CATEGORIES

    def __init__(self, **scores: float) -> None:
        self.asked = 0
        row = [scores.get(category, 0.01) for category in self.categories]
        self._logits = torch.tensor([row]).logit()

    def __call__(self, clean, timestep, prompt):
        self.asked += 1
        return self._logits


def moments(count: int) -> list[Moment]:
    latent = torch.zeros(1, 4, 8, 8)
    return [Moment(latent, latent, 500.0, Affine(1.0, -1.0), i / count) for i in range(count)]


def test_the_head_is_asked_once_for_each_check_point():
    head = FixedHead()
    watcher = Watcher(head, torch.zeros(1, 16), watch(check_points=(0.31, 0.5, 0.52, 0.9)))
    assert [watcher.check(moment) for moment in moments(10)] == [None] * 10
    assert head.asked == 4  # at 0.4, 0.5, 0.6 and 0.9


def test_the_category_furthest_above_its_own_threshold_is_flagged():
    thresholds = {"violence": 0.9, "sexual": 0.3}
    head = FixedHead(violence=0.95, sexual=0.6, hate=0.99)
    watcher = Watcher(head, torch.zeros(1, 16), watch(thresholds=thresholds))
    flag = watcher.check(moments(2)[1])
    assert (flag.category, flag.score) == ("sexual", pytest.approx(0.6))


def test_a_flagged_trajectory_is_turned_from_its_check_point_on():
    plain = sampler(3.0).sample(request(steps=10))
    turned = sampler(3.0).sample(request(steps=10, watch=watch()))
    assert turned.turned_at_step == 5
    assert turned.turned_for in CATEGORIES
    assert turned.score_before > 0.5
    assert turned.picture.sha256 != plain.picture.sha256
    # Two rows a step, and one more for the branch in each call after the check.
    assert (plain.row_steps, turned.row_steps) == (20, 24)


def test_a_trajectory_that_is_not_flagged_gives_the_unwatched_picture():
    plain = sampler(-9.0).sample(request(steps=10))
    watched = sampler(-9.0).sample(request(steps=10, watch=watch(check_points=(0.2, 0.6))))
    assert watched.picture == plain.picture
    assert (watched.turned_at_step, watched.row_steps) == (None, 20)


@pytest.mark.slow
def test_a_stronger_turn_goes_further():
    pictures = {
        sampler(3.0).sample(request(steps=10, watch=watch(strength=strength))).picture.sha256
        for strength in (0.5, 1.0, 2.0)
    }
    assert len(pictures) == 3


def test_a_category_that_the_head_does_not_know_is_a_configuration_error():
    subject = sampler(0.0)
    subject.check_watch(watch())
    with pytest.raises(ConfigurationError, match="violense"):
        subject.check_watch(watch(thresholds={"violense": 0.5}))


@pytest.mark.parametrize("steering", [None, Steering(concept=ConceptSteering(concepts={}))])
def test_a_watch_without_a_head_is_a_failure_and_not_ignored(steering):
    with pytest.raises(AssertionError):
        Sampler(tiny.stable_diffusion(), steering).sample(request(watch=watch()))


@pytest.mark.parametrize("points", [(), (0.5, 0.2), (0.3, 0.3), (0.0,), (1.0,)])
def test_check_points_rise_within_the_schedule(points):
    with pytest.raises(ValueError, match="check_points"):
        watch(check_points=points)
