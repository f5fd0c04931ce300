"""The door, by a clock at which a row-step takes one second.

The longest backlog is 10 s, so there is a slot every 5 s, with up to 4 s of reserved work.
"""

from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.diffusion.config import RetrySlots
from deployments.diffusion.engine.door import Door
from deployments.diffusion.engine.row_cap import Clock, RowCosts
from deployments.errors import Overloaded

MAX_WAITING, MAX_BACKLOG = 50, 10.0


class Entrance:
    """A door whose time the test moves by hand; all times count from its first slot."""

    def __init__(self) -> None:
        self.time = 0.0
        self.clock = Clock(RowCosts(1, {1: 1.0}))
        self.door = Door(
            "diffusion", self.clock, MAX_WAITING, MAX_BACKLOG, RetrySlots(), lambda: self.time
        )

    def enter(self, *, waiting: int = 0, backlog: int = 0, row_steps: int = 2) -> None:
        self.door.enter(waiting, backlog, row_steps)

    def refused(self, **changes: int) -> float:
        """When a refused request is told to come back."""
        with pytest.raises(Overloaded, match="diffusion: the queue is full") as refusal:
            self.enter(**changes)
        return self.time + refusal.value.retry_after


@pytest.fixture
def entrance() -> Entrance:
    return Entrance()


# Which requests come in


def test_up_to_the_bound_a_request_is_let_in(entrance):
    entrance.enter(waiting=MAX_WAITING - 1)
    entrance.enter(backlog=10)
    entrance.enter(backlog=10, row_steps=1000)  # its own length does not count


def test_beyond_the_bound_it_is_refused(entrance):
    entrance.refused(backlog=11)
    entrance.refused(waiting=MAX_WAITING)


def test_a_slower_pace_makes_the_same_backlog_too_long(entrance):
    entrance.enter(backlog=10)
    entrance.clock.note(1, 2.0)
    entrance.refused(backlog=10)


# When the others should come back


def test_a_refused_request_is_told_the_first_slot_that_has_room_for_it(entrance):
    assert entrance.refused(backlog=11, row_steps=1) == 5
    assert entrance.refused(backlog=15, row_steps=1) == 10
    assert entrance.refused(backlog=40, row_steps=1) == 35


def test_a_full_slot_is_told_to_no_more_requests_and_the_next_ones_are(entrance):
    assert [entrance.refused(backlog=15) for _ in range(6)] == [10, 10, 15, 15, 20, 20]


def test_a_request_longer_than_a_slots_room_has_a_slot_to_itself(entrance):
    assert [entrance.refused(backlog=12, row_steps=6) for _ in range(2)] == [10, 15]
    assert entrance.refused(backlog=12) == 5


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(11, 40), st.integers(1, 8)), max_size=15))
def test_no_slot_has_more_work_reserved_than_it_has_room_for(refusals):
    entrance, slots = Entrance(), defaultdict(list)
    for passed, backlog, row_steps in refusals:
        entrance.time += passed
        slots[entrance.refused(backlog=backlog, row_steps=row_steps)].append(row_steps)
    assert all(slot % 5 == 0 for slot in slots)
    assert all(sum(coming) <= 4 or len(coming) == 1 for coming in slots.values())


def test_a_slot_too_far_off_to_be_told_has_nothing_reserved(entrance):
    # No request is told to wait longer than five minutes, so none will come at 395.
    assert {entrance.refused(backlog=400) for _ in range(50)} == {300}
    entrance.time = 100
    assert entrance.refused(backlog=100) == 195


# Reserved room


def test_before_a_slot_no_request_takes_the_room_reserved_in_it(entrance):
    assert [entrance.refused(backlog=15) for _ in range(2)] == [10, 10]
    entrance.time = 6
    entrance.enter(backlog=10)  # 4 s of work are done until the slot
    entrance.time = 9
    entrance.enter(backlog=7)
    entrance.refused(backlog=8)


def test_in_a_slot_every_request_comes_in_and_after_it_not(entrance):
    assert [entrance.refused(backlog=15) for _ in range(4)] == [10, 10, 15, 15]
    entrance.time = 12
    entrance.enter(backlog=10)
    entrance.time = 14
    entrance.enter(backlog=7)  # of the 4 s reserved in the next slot, one is done until then
    entrance.refused(backlog=8)
