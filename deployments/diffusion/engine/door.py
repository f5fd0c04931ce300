"""Who may still come in, and when the others should come back.

Every row of a step costs the same, so the backlog is a clock: a request that would wait too long is
refused at once, with a time at which there is room for it. A request that comes back cannot be told
from a new one, and under overload a new one would take any place that falls free. So places outside
are promised for the door's hours: few moments, many places. Between them nobody is let in whose
room is promised; in them everybody is, and those who were told to come are most of those who do.
"""

import math
import time
from collections.abc import Callable

from deployments.diffusion.engine.row_cap import Clock
from deployments.errors import Overloaded

PERIOD = 0.5
"""From one hour to the next, as a share of the longest backlog: the rest keeps the engine busy."""
PROMISED = 0.8
"""Most of a period's work that is promised; the rest is for strangers who come in the hour."""
HOUR_SECONDS = 3.0
"""How long an hour lasts: times are told in whole seconds, and the way takes a while."""


class Door:
    """
    Args:
        stage: the service's name, for errors.
        clock: tells how long a backlog takes.
        max_waiting: requests that may wait to begin.
        max_backlog_seconds: longest backlog at which a request is let in.
        now: seconds; of the day, so that all replicas keep the same hours.
    """

    def __init__(
        self,
        stage: str,
        clock: Clock,
        max_waiting: int,
        max_backlog_seconds: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._stage, self._clock, self._now = stage, clock, now
        self._max_waiting, self._max_backlog_seconds = max_waiting, max_backlog_seconds
        self._period = PERIOD * max_backlog_seconds
        self._promised: dict[int, float] = {}  # an hour's number -> seconds of work that will come

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
        """Seconds of work for which there must be room by now, for those who will come.

        Only the next hour counts: between two, more work is done than is promised.
        """
        this = math.floor(now / self._period)
        for past in [h for h in self._promised if h * self._period + HOUR_SECONDS < now]:
            del self._promised[past]
        if this in self._promised:
            return 0.0
        return max(self._promised.get(this + 1, 0.0) - ((this + 1) * self._period - now), 0.0)

    def _refusal(self, now: float, room: float, own: float) -> Overloaded:
        """A refusal until the first hour that has a place, which is promised."""
        bound = min(self._max_backlog_seconds, self._max_waiting * own)
        most = max(PROMISED * min(self._period, bound), own)
        hour = math.floor(now / self._period) + 1
        while (work := self._promised.get(hour, 0.0) + own) > min(
            most, room + hour * self._period - now
        ):
            hour += 1
        wait = hour * self._period - now
        refusal = Overloaded(self._stage, "the queue is full", wait)
        if refusal.retry_after >= wait:  # else it is too far off to be told, and nobody will come
            self._promised[hour] = work
        return refusal
