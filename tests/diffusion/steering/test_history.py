"""The steered turn in multistep schedulers: it goes as far as DDIM's, and no further."""

import copy

import pytest
import torch

from deployments.diffusion.steering.history import forget_history
from evaluation.engine.turn_move import TURN, at_the_turn, first_order, move, stepped

SDE = ("DPMSolverMultistepScheduler", {"algorithm_type": "sde-dpmsolver++"})
DETERMINISTIC = {
    "DPM++ 2M": ("DPMSolverMultistepScheduler", {}),
    "DPM++ 3M": ("DPMSolverMultistepScheduler", {"solver_order": 3}),
    "DPM++ singlestep": ("DPMSolverSinglestepScheduler", {}),
    "UniPC": ("UniPCMultistepScheduler", {}),
    "Euler": ("EulerDiscreteScheduler", {}),
    "DDIM": ("DDIMScheduler", {"clip_sample": False}),
}
FAMILIES = DETERMINISTIC | {"SDE-DPM++": SDE}


@pytest.mark.parametrize("name", DETERMINISTIC)
def test_the_turn_moves_the_sample_as_ddim_does(name):
    moved = move(*DETERMINISTIC[name], forget=True)
    assert moved == pytest.approx(first_order(*DETERMINISTIC[name]), rel=2e-2)


def test_the_stochastic_solver_moves_it_as_its_own_first_order_does():
    _, sample, timestep = at_the_turn(*SDE)
    first, *_ = at_the_turn(SDE[0], SDE[1] | {"solver_order": 1})
    ends = [stepped(copy.deepcopy(first), timestep, sample, shift) for shift in (0.0, 0.01)]
    expected = ((ends[1] - ends[0]) / 0.01).mean().item()
    assert move(*SDE, forget=True) == pytest.approx(expected, rel=2e-2)


@pytest.mark.parametrize(("name", "least"), [("DPM++ 2M", 1.2), ("UniPC", 1.4)])
def test_with_their_history_these_overshoot(name, least):
    remembered = move(*FAMILIES[name], forget=False)
    assert remembered > least * move(*FAMILIES[name], forget=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_the_step_after_the_turn_uses_history_again(name):
    scheduler, sample, timestep = at_the_turn(*FAMILIES[name])
    forget_history(scheduler)
    sample = stepped(scheduler, timestep, sample)
    again, fresh = copy.deepcopy(scheduler), copy.deepcopy(scheduler)
    forget_history(fresh)
    ahead = scheduler.timesteps[TURN + 1]
    same = torch.equal(stepped(again, ahead, sample), stepped(fresh, ahead, sample))
    assert same == (name in ("Euler", "DDIM"))
