"""Who begins, and whose calls run next. It knows ids, counts and buckets, and no torch.

    waiting ──admit──▶ working ──park──▶ parked ──plan──▶ running ──▶ working ... ──remove──▶ gone

Requests begin in the order in which they came, as far as the row cap of their lane allows; one
whose lane is full holds up nobody else's. Of the parked calls the oldest runs next, together with
those of its bucket, oldest first, up to the row cap: so buckets take turns, and no call waits
longer than all calls before it take.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Id: TypeAlias = int


@dataclass(frozen=True)
class Order:
    """What the schedule needs to know of a request.

    Attributes:
        lane: requests of one lane may share calls; the row cap holds for each.
        rows: of each of its calls.
        steps: calls that it means to make.
        settings: what a batch must have in common where an admission wants that.
    """

    lane: Hashable = None
    rows: int = 1
    steps: int = 1
    settings: Hashable = None

    @property
    def row_steps(self) -> int:
        """What it costs: each row of each call takes the same time."""
        return self.rows * self.steps


@dataclass(frozen=True)
class Parked:
    """A call that is to run; `cap` bounds the rows that run with it."""

    bucket: Hashable
    rows: int
    cap: int


Admission: TypeAlias = Callable[[Sequence[Order], Sequence[Order]], list[int]]
"""From waiting and begun orders, oldest first, the places of the waiting ones that begin now."""


def by_rows(cap: Callable[[Hashable], int]) -> Admission:
    """Begins what fits under its lane's row cap; a lane's own order is kept."""

    def admit(waiting: Sequence[Order], begun: Sequence[Order]) -> list[int]:
        rows: dict[Hashable, int] = {}
        for order in begun:
            rows[order.lane] = rows.get(order.lane, 0) + order.rows
        admitted, full = [], set()
        for place, order in enumerate(waiting):
            taken = rows.get(order.lane, 0)
            if order.lane in full or (taken and taken + order.rows > cap(order.lane)):
                full.add(order.lane)
                continue
            rows[order.lane] = taken + order.rows
            admitted.append(place)
        return admitted

    return admit


class Schedule:
    """The requests at hand. Every method is O(requests); none blocks."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        # Dicts keep their order: of arrival, of beginning, and of parking.
        self._waiting: dict[Id, Order] = {}
        self._begun: dict[Id, Order] = {}
        self._parked: dict[Id, Parked] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._begun)

    def __contains__(self, request: Id) -> bool:
        return request in self._waiting or request in self._begun

    def add(self, request: Id, order: Order) -> None:
        """A new request. Raises ValueError for one that is at hand already."""
        if request in self:
            raise ValueError(f"the request {request!r} is at hand already")
        self._waiting[request] = order

    def admit(self) -> list[Id]:
        """The requests that begin now, oldest first."""
        waiting = list(self._waiting)
        places = self._admission(list(self._waiting.values()), list(self._begun.values()))
        admitted = [waiting[place] for place in places]
        for request in admitted:
            self._begun[request] = self._waiting.pop(request)
        return admitted

    def park(self, request: Id, call: Parked) -> None:
        """A begun request waits for a call. Raises ValueError if it has not begun, or waits."""
        if request not in self._begun or request in self._parked:
            raise ValueError(f"the request {request!r} cannot be parked now")
        self._parked[request] = call

    def plan(self) -> list[Id]:
        """The requests whose calls run now, as one; empty if none is parked."""
        if not self._parked:
            return []
        oldest = next(iter(self._parked.values()))
        planned: list[Id] = []
        rows = 0
        for request, call in self._parked.items():
            if call.bucket != oldest.bucket:
                continue
            if planned and rows + call.rows > oldest.cap:
                break
            planned.append(request)
            rows += call.rows
        for request in planned:
            del self._parked[request]
        return planned

    def remove(self, request: Id) -> None:
        """A request is done, failed or cancelled, in whatever state; harmless if it is gone."""
        for at in (self._waiting, self._begun, self._parked):
            at.pop(request, None)
