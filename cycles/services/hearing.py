"""Private streams, as the watcher uses them: one process of the desk listens to each, told by a lease.

An event is a hint: it names what to look at, and nothing of what it says is written anywhere.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Protocol

import structlog
from django.db.models import Q
from django.db.models.functions import Now

from cycles import conf, metrics
from cycles.domain.words import WatchKind
from cycles.models import VenueWatch
from cycles.selectors.awaited import Awaited
from exchanges import registry
from exchanges.hints import Hint

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=15)
RENEWED_EVERY = timedelta(seconds=5)
SUSPECTED_AGAIN = timedelta(minutes=1)
Key = tuple[str, WatchKind]


class Hints:
    """What streams gave reason to look at; any thread adds, the watcher uses them up."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._numbers: dict[Key, int] = {}
        self._assets: dict[Key, frozenset[str] | None] = {}
        self._count = 0
        self._came = threading.Event()

    def heard(self, venue: str, hint: Hint) -> None:
        """Take an event."""
        kinds = [WatchKind.ORDERS] if hint.is_of_orders else []
        if hint.assets is None or hint.assets:
            kinds += [WatchKind.DEPOSITS, WatchKind.WITHDRAWALS]
        with self._guard:
            for kind in kinds:
                self._add((venue, kind), hint.assets)
        self._came.set()

    def _add(self, key: Key, assets: frozenset[str] | None) -> None:
        self._count += 1
        known = self._assets.get(key, frozenset())
        self._numbers[key] = self._count
        self._assets[key] = None if assets is None or known is None else known | assets
        metrics.HINTS.labels(venue=key[0], kind=key[1].lower()).inc()

    def of(self, what: Awaited) -> int:
        """Give the number of the newest hint about something awaited; 0 if there is none."""
        key = (what.venue, what.kind)
        with self._guard:
            number, assets = self._numbers.get(key, 0), self._assets.get(key)
        if not number or assets is None or what.kind == WatchKind.ORDERS:
            return number
        symbols = {registry.symbol(what.venue, asset) for asset in what.assets}
        return number if assets & symbols else 0

    def is_about(self, what: Awaited) -> bool:
        """Say whether there is a reason to look at once."""
        return self.of(what) > 0

    def are_about(self, wanted: Iterable[Awaited]) -> bool:
        """Say so of any."""
        return any(self.is_about(what) for what in wanted)

    def use_up(self, what: Awaited, number: int) -> None:
        """Forget the hints up to this one: the look that has just begun will show what they meant."""
        key = (what.venue, what.kind)
        with self._guard:
            if number and self._numbers.get(key, 0) <= number:
                self._numbers.pop(key, None)
                self._assets.pop(key, None)

    def wake(self) -> None:
        """End the watcher's sleep."""
        self._came.set()

    def wait(self, seconds: float) -> None:
        """Sleep, but not longer than until the next hint."""
        self._came.wait(seconds)
        self._came.clear()


class Listening(Protocol):
    """A private stream that is being listened to, in a thread of its own."""

    @property
    def is_open(self) -> bool:
        """Say whether the venue has taken the subscription and the connection answers."""

    @property
    def silent_for(self) -> timedelta:
        """Give how long no event has come."""

    def drop(self, why: str) -> None:
        """End the present connection; it is made again."""

    def close(self) -> None:
        """End it for good."""


Listen = Callable[[str, Callable[[Hint], None]], Listening]


@dataclass(slots=True)
class Ears:
    """Which private streams this process listens to; `listen` begins with one."""

    listen: Listen
    owner: str = field(default_factory=lambda: f"{conf.session_id()[:32]}:{os.getpid()}")
    _held: dict[str, Listening] = field(default_factory=dict)
    _renewed_at: timedelta | None = None  # by the monotonic clock, as the next
    _suspected_at: dict[str, timedelta] = field(default_factory=dict)

    def keep(self, hints: Hints) -> None:
        """Take the streams that nobody listens to, keep those held, and let go of those that were lost."""
        for venue, listening in self._held.items():
            metrics.LISTENING.labels(venue=venue).set(int(listening.is_open))
        now = _monotonic()
        if self._renewed_at is not None and now - self._renewed_at < RENEWED_EVERY:
            return
        self._renewed_at = now
        mine = _hold(registry.desk_venues(), self.owner)
        for venue in [venue for venue in self._held if venue not in mine]:
            self._end(venue)
        for venue in mine - self._held.keys():
            log.info("private_stream.taken", venue=venue)
            self._held[venue] = self.listen(venue, partial(hints.heard, venue))

    def missed(self, venue: str) -> None:
        """Begin anew with a stream that was silent about what a look has shown; once a minute."""
        listening, now = self._held.get(venue), _monotonic()
        last = self._suspected_at.get(venue)
        if listening is None or (last is not None and now - last < SUSPECTED_AGAIN):
            return
        if listening.is_open and listening.silent_for > SUSPECTED_AGAIN:
            self._suspected_at[venue] = now
            listening.drop("silent")

    def close(self) -> None:
        """Let others listen at once."""
        for venue in list(self._held):
            self._end(venue)
        VenueWatch.objects.filter(kind=WatchKind.STREAM, owner=self.owner).update(
            owner="", expires_at=None
        )

    def _end(self, venue: str) -> None:
        self._held.pop(venue).close()
        metrics.LISTENING.labels(venue=venue).set(0)


def _monotonic() -> timedelta:
    return timedelta(seconds=time.monotonic())


def _hold(venues: Collection[str], owner: str) -> set[str]:
    """Take or keep the lease of each venue's stream; gives those that are this owner's now."""
    of_desk = VenueWatch.objects.filter(kind=WatchKind.STREAM, venue__in=venues)
    known = set(of_desk.values_list("venue", flat=True))
    rows = [VenueWatch(venue=code, kind=WatchKind.STREAM) for code in venues if code not in known]
    if rows:
        VenueWatch.objects.bulk_create(rows, ignore_conflicts=True)
    free = Q(expires_at__isnull=True) | Q(expires_at__lte=Now()) | Q(owner=owner)
    of_desk.filter(free).update(owner=owner, expires_at=Now() + LEASE)
    return set(of_desk.filter(owner=owner).values_list("venue", flat=True))
