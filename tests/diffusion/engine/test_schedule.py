"""The schedule: examples first, then its invariants under random sequences of events."""

import subprocess
import sys
from collections.abc import Hashable
from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from deployments.diffusion.engine.schedule import Demand, Parked, Schedule, by_rows

CAPS = {"square": 4, "wide": 2}
"""Row caps by lane. Requests have up to five rows, so some never fit beside another."""


def schedule_of(*demands: Demand) -> Schedule:
    """A schedule with requests 0, 1, ..., of which none has begun."""
    schedule = Schedule(by_rows(CAPS.__getitem__))
    for number, demand in enumerate(demands):
        schedule.add(number, demand)
    return schedule


def parked(*buckets: str, rows: int = 1) -> Schedule:
    """A schedule whose requests 0, 1, ... are parked in these buckets, each on its own lane."""
    schedule = Schedule(by_rows(lambda lane: 4))
    for number in range(len(buckets)):
        schedule.add(number, Demand(lane=number))
    for number in schedule.begin():
        schedule.park(number, Parked(buckets[number], rows, cap=4))
    return schedule


def test_it_knows_no_torch():
    code = "import sys, deployments.diffusion.engine.schedule; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Which requests begin


def test_requests_begin_in_order_as_far_as_their_lane_has_room():
    square = Demand("square", rows=2)
    schedule = schedule_of(square, square, square)
    assert schedule.begin() == [0, 1]
    assert schedule.begin() == []
    schedule.remove(0)
    assert schedule.begin() == [2]


def test_a_full_lane_holds_up_no_other():
    schedule = schedule_of(Demand("square", 4), Demand("square", 1), Demand("wide", 1))
    assert schedule.begin() == [0, 2]


def test_a_small_request_does_not_overtake_a_large_one_of_its_lane():
    schedule = schedule_of(Demand("square", 2), Demand("square", 3), Demand("square", 1))
    assert schedule.begin() == [0]
    schedule.remove(0)
    assert schedule.begin() == [1, 2]


def test_a_request_alone_in_its_lane_begins_whatever_the_cap():
    schedule = schedule_of(Demand("wide", rows=5), Demand("wide", rows=1))
    assert schedule.begin() == [0]
    schedule.park(0, Parked("a", rows=5, cap=2))
    assert schedule.plan() == [0]


# Whose calls run


def test_nothing_parked_nothing_planned():
    assert schedule_of().plan() == []
    assert schedule_of(Demand("square")).plan() == []


def test_the_oldest_call_runs_with_those_of_its_bucket():
    schedule = parked("a", "b", "a", "b", "a")
    assert schedule.plan() == [0, 2, 4]
    assert schedule.plan() == [1, 3]
    assert schedule.plan() == []


def test_buckets_take_turns_oldest_first():
    schedule, turns = parked("a", "b", "c", "a"), []
    for _ in range(6):
        planned = schedule.plan()
        turns.append(planned)
        for number in planned:
            schedule.park(number, Parked("abca"[number], 1, cap=4))
    assert turns == [[0, 3], [1], [2]] * 2


def test_a_plan_ends_at_the_row_cap_and_the_rest_come_next():
    schedule = parked(*"aaaaa", rows=2)
    assert [schedule.plan() for _ in range(3)] == [[0, 1], [2, 3], [4]]


# What a request may not do


def test_a_request_is_at_hand_once():
    schedule = schedule_of(Demand("square"))
    with pytest.raises(ValueError, match="at hand"):
        schedule.add(0, Demand("square"))
    schedule.begin()
    with pytest.raises(ValueError, match="at hand"):
        schedule.add(0, Demand("square"))


def test_only_a_begun_request_parks_and_one_call_at_a_time():
    schedule = schedule_of(Demand("square"))
    with pytest.raises(ValueError, match="parked"):
        schedule.park(0, Parked("a", 1, 4))
    schedule.begin()
    schedule.park(0, Parked("a", 1, 4))
    with pytest.raises(ValueError, match="parked"):
        schedule.park(0, Parked("a", 1, 4))


def test_removing_what_is_gone_is_harmless():
    schedule = schedule_of()
    schedule.remove(7)
    assert len(schedule) == 0
    assert 7 not in schedule


# Random events


@dataclass
class Waiting:
    """A parked call as the test sees it; `due` is the tick by which it must have run."""

    bucket: Hashable
    rows: int
    due: int


demands = st.builds(Demand, lane=st.sampled_from(sorted(CAPS)), rows=st.integers(1, 5))
begins = st.sampled_from(["parks", "parks", "parks", "ends"])
fates = st.sampled_from(["same", "same", "other", "finishes", "fails"])


class RandomEvents(RuleBasedStateMachine):
    """Requests come, are called off, run and end in any order; the schedule's invariants hold."""

    def __init__(self) -> None:
        super().__init__()
        self.schedule = Schedule(by_rows(CAPS.__getitem__))
        self.came = 0
        self.ticks = 0
        self.waiting: dict[int, Demand] = {}
        self.begun: dict[int, Demand] = {}
        self.parked: dict[int, Waiting] = {}  # oldest first
        self.last_begun = dict.fromkeys(CAPS, -1)

    @rule(demand=demands)
    def add(self, demand):
        self.schedule.add(self.came, demand)
        self.waiting[self.came] = demand
        self.came += 1

    @rule(data=st.data())
    def cancel(self, data):
        if at_hand := [*self.waiting, *self.begun]:
            self.remove(data.draw(st.sampled_from(at_hand)))

    @rule(data=st.data())
    def tick(self, data):
        for number in self.begin():
            if data.draw(begins) == "ends":
                self.remove(number)  # a program may end without a call
            else:
                self.park(number, data)
        for number, bucket in self.plan().items():
            match data.draw(fates):
                case "same":
                    self.park(number, data, bucket)
                case "other":
                    self.park(number, data)
                case _:
                    self.remove(number)

    @rule(data=st.data())
    def drain(self, data):
        for _ in range(len(self.schedule)):  # a request ends at every tick, at the least
            for number in self.begin():
                self.park(number, data)
            for number in self.plan():
                self.remove(number)
        assert len(self.schedule) == 0

    def begin(self):
        """Requests that begin: each lane's oldest, as many as fit; lanes do not wait for others."""
        beginning = self.schedule.begin()
        for number in beginning:
            demand = self.begun[number] = self.waiting.pop(number)
            assert self.last_begun[demand.lane] < number
            self.last_begun[demand.lane] = number
        for lane, cap in CAPS.items():
            begun = [demand.rows for demand in self.begun.values() if demand.lane == lane]
            assert len(begun) <= 1 or sum(begun) <= cap
            waiting = [demand.rows for demand in self.waiting.values() if demand.lane == lane]
            assert not waiting or (begun and sum(begun) + waiting[0] > cap)
        return beginning

    def plan(self):
        """Calls that run: the oldest, and as many of its bucket, oldest first, as fit."""
        planned = self.schedule.plan()
        self.ticks += 1
        if not self.parked:
            assert planned == []
            return {}
        lane, _ = bucket = next(iter(self.parked.values())).bucket
        same = [number for number, call in self.parked.items() if call.bucket == bucket]
        assert planned == same[: len(planned)]
        rows = [self.parked[number].rows for number in same]
        assert len(planned) == 1 or sum(rows[: len(planned)]) <= CAPS[lane]
        assert len(planned) == len(same) or sum(rows[: len(planned) + 1]) > CAPS[lane]
        for number in planned:
            del self.parked[number]
        assert all(call.due > self.ticks for call in self.parked.values()), "a call starves"
        return dict.fromkeys(planned, bucket)

    def park(self, number, data, bucket=None):
        demand = self.begun[number]
        bucket = bucket or (demand.lane, data.draw(st.integers(0, 2)))
        rows = data.draw(st.integers(1, 5))  # a call may differ from what the demand announced
        self.schedule.park(number, Parked(bucket, rows, CAPS[demand.lane]))
        self.parked[number] = Waiting(bucket, rows, self.ticks + len(self.parked) + 1)

    def remove(self, number):
        self.schedule.remove(number)
        for at in (self.waiting, self.begun, self.parked):
            at.pop(number, None)

    @invariant()
    def none_is_lost_and_none_comes_back(self):
        at_hand = {*self.waiting, *self.begun}
        assert len(self.schedule) == len(at_hand)
        assert {number for number in range(self.came) if number in self.schedule} == at_hand

    def teardown(self):
        for number in [*self.waiting, *self.begun]:
            self.remove(number)
        assert len(self.schedule) == 0
        assert self.schedule.plan() == []


TestRandomEvents = pytest.mark.slow(RandomEvents.TestCase)
TestRandomEvents.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
