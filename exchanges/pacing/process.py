"""The budgets and clocks of this process, one of each venue, over the store that all processes share."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from datetime import datetime

from exchanges import conf
from exchanges.clocks import ClockState
from exchanges.pacing.channel import Channel
from exchanges.pacing.store import SharedStore
from exchanges.transport.budget import RateBudget
from exchanges.transport.clock import VenueClock
from exchanges.transport.limits import VenueLimits

HOST = socket.gethostname()[:64]
TELL_CLOCK_SECONDS = 15.0


class Pacing:
    """What the threads of one process share of the venues' limits and clocks."""

    def __init__(self, *, wall: Callable[[], datetime]) -> None:
        self._wall = wall
        self._guard = threading.Lock()
        self._store: SharedStore | None = None
        self._budgets: dict[tuple[str, bool], RateBudget] = {}
        self._clocks: dict[str, VenueClock] = {}
        self._told_at: dict[str, float] = {}
        self.says_of_outages: Callable[[], bool] | None = None

    def budget(self, venue: str, limits: VenueLimits, *, is_limited: bool) -> RateBudget:
        """Give a venue's budget; where it sets no limits there is nothing to share."""
        with self._guard:
            key = (venue, is_limited)
            if key not in self._budgets:
                self._budgets[key] = (
                    RateBudget(venue, limits, store=self._shared())
                    if is_limited
                    else RateBudget(venue)
                )
            return self._budgets[key]

    def seconds_held(self, venue: str, operation: str) -> float:
        """Give how long the venue asked this process, or another, to leave an operation alone."""
        known = self._known(venue)
        return max((budget.seconds_held(operation) for budget in known), default=0.0)

    def seconds_shut(self, venue: str) -> float:
        """Give how long the venue lets no call of this process through, as it was told itself."""
        return max((budget.seconds_shut() for budget in self._known(venue)), default=0.0)

    def _known(self, venue: str) -> list[RateBudget]:
        with self._guard:
            return [budget for (code, _), budget in self._budgets.items() if code == venue]

    def clock(self, venue: str, *, reads_dates: bool) -> VenueClock:
        """Give a venue's clock."""
        with self._guard:
            if venue not in self._clocks:
                made = VenueClock(
                    venue,
                    wall=self._wall,
                    reads_dates=reads_dates,
                    limit_seconds=conf.clock_limit_seconds(),
                )
                self._clocks[venue], self._told_at[venue] = made, time.monotonic()
            return self._clocks[venue]

    def tell_clock(self, state: ClockState) -> None:
        """Let people and other processes see where a clock stands, now and then."""
        now = time.monotonic()
        with self._guard:
            is_due = now - self._told_at[state.venue] >= TELL_CLOCK_SECONDS
            if not is_due or state.ahead_seconds is None:
                return
            self._told_at[state.venue] = now
            store = self._shared()
        store.note_clock(
            state.venue,
            HOST,
            ahead_ms=round(state.ahead_seconds * 1000),
            doubt_ms=round(state.doubt_seconds * 1000),
        )

    def forget(self) -> None:
        """Begin anew, and give the connection back."""
        with self._guard:
            store, self._store = self._store, None
            self._budgets, self._clocks, self._told_at = {}, {}, {}
        if store is not None:
            store.close()

    def _shared(self) -> SharedStore:
        if self._store is None:
            self._store = SharedStore(Channel(self._is_said), egress=conf.egress())
        return self._store

    def _is_said(self) -> bool:
        return self.says_of_outages is not None and self.says_of_outages()
