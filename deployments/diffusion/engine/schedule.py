"""Which requests begin, and whose calls run next. It knows ids, counts, buckets, and no torch.

    waiting ──begin──▶ working ──park──▶ parked ──plan──▶ running ──▶ working ... ──remove──▶ gone

Requests begin in the order in which they came, as far as the row cap of their lane allows. A full
lane does not hold up the others. Of the parked calls the oldest runs next, together with the calls
of its bucket, oldest first, up to the row cap. So buckets take turns, and a call waits no longer
than all calls before it take.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Id: TypeAlias = int


@dataclass(frozen=True)
class Demand:
    """What a request demands of the model: which calls, and how many.

    Attributes:
        lane: requests of one lane may share calls; the row cap holds for each lane.
        rows: rows of each of its calls.
        steps: number of calls that it means to make.
        settings: equal for requests that a discipline may run together, if it asks for that.
    """

    lane: Hashable = None
    rows: int = 1
    steps: int = 1
    settings: Hashable = None

    @property
    def row_steps(self) -> int:
        """The cost: each row of each call takes the same time."""
        return self.rows * self.steps


@dataclass(frozen=True)
class Parked:
    """A call that is to run; `cap` bounds the rows of the joined call that it runs in."""

    bucket: Hashable
    rows: int
    cap: int


QueueDiscipline: TypeAlias = Callable[[Sequence[Demand], Sequence[Demand]], list[int]]
"""Says which requests begin now: from the demands of the waiting and of the begun requests, both
oldest first, to places among the waiting."""


def by_rows(cap: Callable[[Hashable], int]) -> QueueDiscipline:
    """First come, first served within each lane, as far as the rows fit under the lane's cap."""

    def begin(waiting: Sequence[Demand], begun: Sequence[Demand]) -> list[int]:
        rows: dict[Hashable, int] = {}
        for demand in begun:
            rows[demand.lane] = rows.get(demand.lane, 0) + demand.rows
        beginning, full = [], set()
        for place, demand in enumerate(waiting):
            taken = rows.get(demand.lane, 0)
            if demand.lane in full or (taken and taken + demand.rows > cap(demand.lane)):
                full.add(demand.lane)
                continue
            rows[demand.lane] = taken + demand.rows
            beginning.append(place)
        return beginning

    return begin


class Schedule:
    """The requests at hand. Every method is O(requests); none blocks."""

    def __init__(self, discipline: QueueDiscipline) -> None:
        self._discipline = discipline
        # Dicts keep their order: of arrival, of beginning, and of parking.
        self._waiting: dict[Id, Demand] = {}
        self._begun: dict[Id, Demand] = {}
        self._parked: dict[Id, Parked] = {}

    def __len__(self) -> int:
        return len(self._waiting) + len(self._begun)

    def __contains__(self, request: Id) -> bool:
        return request in self._waiting or request in self._begun

    def add(self, request: Id, demand: Demand) -> None:
        """A new request. Raises ValueError for one that is at hand already."""
        if request in self:
            raise ValueError(f"the request {request!r} is at hand already")
        self._waiting[request] = demand

    def begin(self) -> list[Id]:
        """The requests that begin now, oldest first."""
        waiting = list(self._waiting)
        places = self._discipline(list(self._waiting.values()), list(self._begun.values()))
        beginning = [waiting[place] for place in places]
        for request in beginning:
            self._begun[request] = self._waiting.pop(request)
        return beginning

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
