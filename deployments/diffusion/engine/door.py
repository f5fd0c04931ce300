"""Which requests may come in, and when the refused ones should come back.

Every row of a step costs the same, so a backlog of row-steps is a time. A request that would wait
too long is refused at once and told a slot: a short time, at fixed intervals, in which there is
room for it. The room is reserved by its length only, as a request that comes back cannot be told
from a new one. In a slot with reserved room every request comes in, as long as the backlog allows
it; most of them are those that were told to come. Between slots a request comes in only where it
leaves the room that is reserved in the next slot.
"""

import math
import time
from collections.abc import Callable

from deployments.diffusion.config import RetrySlots
from deployments.diffusion.engine.row_cap import Clock
from deployments.errors import Overloaded


class Door:
    """
    Args:
        stage: the service's name, for errors.
        clock: tells how long a backlog takes.
        max_waiting: requests that may wait to begin.
        max_backlog_seconds: longest backlog at which a request comes in.
        slots: when refused requests should come back.
        now: seconds; of the day, so that all replicas have the same slots.
    """

    def __init__(
        self,
        stage: str,
        clock: Clock,
        max_waiting: int,
        max_backlog_seconds: float,
        slots: RetrySlots,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._stage, self._clock, self._slots, self._now = stage, clock, slots, now
        self._max_waiting, self._max_backlog_seconds = max_waiting, max_backlog_seconds
        self._interval = slots.interval * max_backlog_seconds
        self._reserved: dict[int, float] = {}  # a slot's number -> seconds of work told to come

    def enter(self, waiting: int, backlog: int, row_steps: int) -> None:
        """Lets a request in.

        Args:
            waiting: requests that have not begun.
            backlog: row-steps that the requests inside still mean to make.
            row_steps: those of the new one.

        Raises:
            Overloaded: there is no room; `retry_after` is when there will be.
        """
        now, own = self._now(), self._clock.seconds(row_steps)
        room = min(
            self._max_backlog_seconds - self._clock.seconds(backlog),
            (self._max_waiting - 1 - waiting) * own,
        )
        if room < self._kept(now):
            raise self._refusal(now, room, own)

    def _kept(self, now: float) -> float:
        """Seconds of work for which there must be room now, so that the next slot has its own.

        Slots after the next do not count: between two, more work is done than one reserves.
        """
        this = math.floor(now / self._interval)
        for past in [s for s in self._reserved if s * self._interval + self._slots.seconds < now]:
            del self._reserved[past]
        if this in self._reserved:
            return 0.0
        until_next = (this + 1) * self._interval - now
        return max(self._reserved.get(this + 1, 0.0) - until_next, 0.0)

    def _refusal(self, now: float, room: float, own: float) -> Overloaded:
        """A refusal until the first slot that has room, which is reserved there."""
        bound = min(self._max_backlog_seconds, self._max_waiting * own)
        most = max(self._slots.reserved * min(self._interval, bound), own)
        slot = math.floor(now / self._interval) + 1
        while (work := self._reserved.get(slot, 0.0) + own) > min(
            most, room + slot * self._interval - now
        ):
            slot += 1
        wait = slot * self._interval - now
        refusal = Overloaded(self._stage, "the queue is full", wait)
        if refusal.retry_after >= wait:  # else the slot is too far off to be told to anybody
            self._reserved[slot] = work
        return refusal
