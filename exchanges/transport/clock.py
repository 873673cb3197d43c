"""How far a venue's clock lies from ours: bounds that every look at it can only tighten.

A look tells the instant that the venue's clock showed at some moment between our sending and our
receiving. That bounds the difference from both sides, however unevenly the delay was divided; the
quickest look bounds it best. Bounds widen as clocks drift. All of it hangs on our monotonic clock: a
step of our wall clock changes how far we are off, not what we sign with.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from exchanges.clocks import ClockState
from exchanges.metrics import note_clock
from exchanges.transport.decoding import date_header
from exchanges.transport.wire import Reply

DRIFT = 0.0002  # seconds a second: bad quartz at both ends
REMEASURE_SECONDS = 30.0  # a refused clock is measured anew at once, and then this seldom
FRESH_SECONDS = 60.0
STOPPED_SECONDS = 5.0
SECOND = timedelta(seconds=1)


class VenueClock:
    """One venue's clock as the threads of one process know it.

    `reads_dates`: every reply's Date header tells it, for venues that have nothing better.
    `limit_seconds`: how far it may lie from ours before nothing is traded on it.
    """

    def __init__(
        self,
        venue: str,
        *,
        wall: Callable[[], datetime],
        monotonic: Callable[[], float] = time.monotonic,
        reads_dates: bool = False,
        limit_seconds: float = 5.0,
    ) -> None:
        self._venue = venue
        self._wall = wall
        self._reads_dates = reads_dates
        self._limit_seconds = limit_seconds
        self._monotonic = monotonic
        self._guard = threading.Lock()
        # The venue's clock, in epoch seconds, minus our monotonic one: lowest and highest, and when.
        self._bounds: tuple[float, float] | None = None
        self._noted_at = 0.0
        self._failed_at = -STOPPED_SECONDS
        self._forced_at: float | None = None
        self._is_refused = False

    def look(self, reply: Reply) -> None:
        """Note what a reply tells by the way: the second that its Date header names."""
        at = date_header(reply.headers) if self._reads_dates else None
        if at is not None:
            self.note(at, at + SECOND, began_at=reply.began_at, ended_at=reply.ended_at)

    def note(
        self, earliest: datetime, latest: datetime, *, began_at: float, ended_at: float
    ) -> None:
        """Note that between two monotonic instants the venue's clock showed an instant in between.

        Bounds that contradict what was known mean that a clock was set: the newest look counts.
        """
        low, high = earliest.timestamp() - ended_at, latest.timestamp() - began_at
        with self._guard:
            now = self._monotonic()
            old = self._widened(now)
            if old is not None and max(low, old[0]) <= min(high, old[1]):
                low, high = max(low, old[0]), min(high, old[1])
            self._bounds, self._noted_at = (low, high), now
        state = self.state()
        note_clock(venue=self._venue, ahead=state.ahead_seconds or 0.0, doubt=state.doubt_seconds)

    def stamp(self) -> datetime:
        """Give what to sign with: the earliest that the venue's clock can show now.

        Venues refuse a stamp that is ahead by a second and one that is behind by five: so the error,
        if there is one, is made on the safe side. Our own clock until a look was had.
        """
        with self._guard:
            now = self._monotonic()
            bounds = self._widened(now)
        if bounds is None:
            return self._wall()
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=bounds[0] + now)

    def state(self) -> ClockState:
        """Give what is known now."""
        with self._guard:
            now = self._monotonic()
            bounds, is_refused = self._widened(now), self._is_refused
        ahead, doubt = None, 0.0
        if bounds is not None:
            doubt = (bounds[1] - bounds[0]) / 2
            ahead = bounds[0] + doubt + now - self._wall().timestamp()
        return ClockState(
            venue=self._venue,
            ahead_seconds=ahead,
            doubt_seconds=doubt,
            is_refused=is_refused,
            limit_seconds=self._limit_seconds,
        )

    def wants_look(self, *, is_early: bool = False) -> bool:
        """Say whether it is time for another look: always, while nothing is known.

        Sooner while nothing is traded on what is known, and for who looks so that no other has to; not at once
        after one that failed.
        """
        fresh_seconds = FRESH_SECONDS / 2 if is_early else FRESH_SECONDS
        every_seconds = STOPPED_SECONDS if self.state().objection else fresh_seconds
        with self._guard:
            now = self._monotonic()
            is_old = now - self._noted_at >= every_seconds
            has_failed = now - self._failed_at < STOPPED_SECONDS
            return self._bounds is None or (is_old and not has_failed)

    def look_failed(self) -> None:
        """Note that the venue could not be asked."""
        with self._guard:
            self._failed_at = self._monotonic()

    def refused(self) -> bool:
        """Note that a stamp was refused; says whether to measure anew for it.

        What was known is worth nothing then. Refused again before the next measurement is due, the
        clock is not to be traded on.
        """
        with self._guard:
            now = self._monotonic()
            is_due = self._forced_at is None or now - self._forced_at >= REMEASURE_SECONDS
            if not is_due:
                self._is_refused = True
                return False
            self._forced_at, self._bounds = now, None
            return True

    def accepted(self) -> None:
        """Note that the venue took a stamp of ours."""
        self._is_refused = False

    def may_probe(self) -> bool:
        """Say whether a refused clock is due to be tried again."""
        with self._guard:
            age = self._monotonic() - (self._forced_at or 0.0)
            return self._is_refused and age >= REMEASURE_SECONDS

    def _widened(self, now: float) -> tuple[float, float] | None:
        if self._bounds is None:
            return None
        slack = DRIFT * max(now - self._noted_at, 0.0)
        return self._bounds[0] - slack, self._bounds[1] + slack
