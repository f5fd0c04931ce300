"""How many rows pay, on made-up cost curves, and how long they take."""

import pytest
import torch

from deployments.diffusion.engine.calls import Call
from deployments.diffusion.engine.row_cap import Clock, RowCosts, row_costs, timed

COSTS = RowCosts(cap=4, seconds={1: 1.0, 2: 1.5, 4: 2.0, 8: 4.0})


def flat_up_to(full: int):
    """A device that takes a second for up to `full` rows, and in proportion beyond."""
    return lambda rows: max(1.0, rows / full)


@pytest.mark.parametrize("full", [1, 2, 8, 32])
def test_rows_are_doubled_until_the_device_is_full(full):
    costs = row_costs(flat_up_to(full))
    assert costs.cap == full
    # Two sizes beyond it, as one doubling in vain may be a disturbance.
    assert list(costs.seconds) == [2**power for power in range(full.bit_length() + 2)][:7]


def test_the_cap_is_the_smallest_size_near_the_best():
    per_row = {1: 17.6, 2: 11.3, 4: 8.3, 8: 6.7, 16: 5.7, 32: 5.2, 64: 5.15}
    costs = row_costs(lambda rows: rows * per_row[rows])
    assert (costs.cap, max(costs.seconds)) == (32, 64)


def test_one_disturbed_measurement_does_not_end_the_search():
    per_row = {1: 4.0, 2: 3.0, 4: 9.0, 8: 1.5, 16: 1.5, 32: 1.5}
    assert row_costs(lambda rows: rows * per_row[rows]).cap == 8


def test_it_stops_at_the_largest():
    assert row_costs(flat_up_to(1000), largest=16).cap == 16
    assert row_costs(flat_up_to(1000), largest=15).cap == 8


def test_it_stops_where_memory_ends():
    def measure(rows: int) -> float:
        if rows > 4:
            raise torch.OutOfMemoryError("no more")
        return 1.0

    assert row_costs(measure) == RowCosts(4, {1: 1.0, 2: 1.0, 4: 1.0})


def test_a_device_too_small_for_one_row_is_an_error():
    def measure(rows: int) -> float:
        raise torch.OutOfMemoryError("no more")

    with pytest.raises(torch.OutOfMemoryError):
        row_costs(measure)


@pytest.mark.parametrize(
    ("rows", "seconds"), [(1, 1.0), (2, 1.5), (3, 1.75), (4, 2.0), (6, 3.0), (8, 4.0), (16, 8.0)]
)
def test_costs_lie_between_and_beyond_the_tried_sizes_in_proportion(rows, seconds):
    assert COSTS.of(rows) == pytest.approx(seconds)


def test_a_row_costs_its_share_of_a_full_call():
    assert COSTS.seconds_per_row == 0.5
    assert RowCosts(1, {1: 3.0}).seconds_per_row == 3.0


def test_the_clock_takes_the_pace_of_the_latest_calls():
    clock = Clock(COSTS)
    assert clock.seconds(10) == pytest.approx(5.0)
    for rows in [1, 3, 8, 16] * 20:
        clock.note(rows, 2.5 * COSTS.of(rows))
    assert clock.pace == pytest.approx(2.5, rel=0.01)
    assert clock.seconds(10) == pytest.approx(12.5, rel=0.01)


def test_one_slow_call_is_no_new_pace():
    clock = Clock(COSTS)
    clock.note(1, 3.0)
    assert clock.pace == pytest.approx(1.2)
    for _ in range(80):
        clock.note(1, 1.0)
    assert clock.pace == pytest.approx(1.0, abs=0.01)


def test_a_call_is_timed_with_n_times_its_last_row():
    seen = []
    measure = timed(Call(seen.append, (torch.tensor([[1.0], [2.0]]),), {}, rows=2))
    assert measure(3) >= 0
    assert {tuple(rows.flatten().tolist()) for rows in seen} == {(2.0, 2.0, 2.0)}
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()
