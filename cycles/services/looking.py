"""One look at a venue for all cycles: granted to one process at a time, whoever it is, and written down.

A look is a lease of its own, short and numbered, in the database. A process that dies between two looks
takes nothing with it, and one that dies within a look only until its lease runs out. How often a venue
is looked at depends on whether anything is waited for there, and never on how much.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import structlog
from django.db import Error, connection
from django.db.models import F, Q
from django.db.models.functions import Now

from cycles import conf, metrics
from cycles.domain.words import WatchKind
from cycles.errors import CycleError
from cycles.models import VenueWatch
from cycles.selectors.awaited import awaited_orders
from cycles.services import sighting
from cycles.services.locking import in_transaction
from cycles.services.sighting import Look, Recorded, Sighting
from exchanges import registry

log = structlog.get_logger(__name__)

POLL_SECONDS = Decimal(10)  # of market time; scaled like the policy's durations
ORDERS_SECONDS = Decimal(1)
QUICKEST = timedelta(milliseconds=500)
CLOCK_SLACK = timedelta(minutes=10)  # a venue's stamps against our database's
LONGEST_PAUSE = timedelta(minutes=1)
LOOK_LASTS_SECONDS = 3  # times a call's deadline: then another may look

BEGIN = """
UPDATE cycles_venuewatch
SET owner = %(owner)s, number = number + 1,
    expires_at = statement_timestamp() + %(lasts)s
WHERE venue = %(venue)s AND kind = %(kind)s
  AND (expires_at IS NULL OR expires_at <= statement_timestamp())
  AND (not_before IS NULL OR not_before <= statement_timestamp())
  AND (looked_at IS NULL OR looked_at <= statement_timestamp() - %(apart)s
       OR asked_since > %(since)s)
RETURNING number, statement_timestamp()
"""


def pace(kind: WatchKind) -> timedelta:
    """Give how long to leave a venue alone between two looks of a kind that cost one call each."""
    seconds = ORDERS_SECONDS if kind == WatchKind.ORDERS else POLL_SECONDS
    return max(conf.scaled(seconds), QUICKEST)


def hurry() -> timedelta:
    """Give how long to leave a venue alone although there is a reason to look: bounds what reasons cost."""
    return max(conf.scaled(ORDERS_SECONDS), QUICKEST)


def longest_gap(kind: WatchKind, last: VenueWatch | None) -> timedelta:
    """Give how old the last look may be before a worker takes the next itself: nobody else does.

    A look that cost several calls is repeated as many times later, so that calls a minute stay the same.
    """
    calls = max(last.calls, 1) if last is not None else 1
    return pace(kind) * calls * 3 / 2


def begin(venue: str, kind: WatchKind, *, apart: timedelta, since: datetime) -> Look | None:
    """Take the next look, unless somebody looks now, or asked as far back less than `apart` ago."""
    looked_for: dict[str, Any] = {
        "venue": venue,
        "kind": kind.value,
        "owner": f"{conf.session_id()[:32]}:{os.getpid()}:{threading.get_ident()}",
        "lasts": timedelta(seconds=LOOK_LASTS_SECONDS * conf.venue_deadline_seconds()),
        "apart": apart,
        "since": since,
    }

    def work() -> tuple[int, datetime] | None:
        with connection.cursor() as cursor:
            cursor.execute(BEGIN, looked_for)
            granted: tuple[int, datetime] | None = cursor.fetchone()
            return granted

    granted = in_transaction(work)
    if granted is None and not VenueWatch.objects.filter(venue=venue, kind=kind).exists():
        VenueWatch.objects.bulk_create([VenueWatch(venue=venue, kind=kind)], ignore_conflicts=True)
        granted = in_transaction(work)
    if granted is None:
        return None
    number, began_at = granted
    return Look(venue=venue, kind=kind, number=number, since=since, began_at=began_at)


def take(look: Look) -> Recorded:
    """Ask the venue once for all cycles, write down what it shows, and wake whom it concerns.

    Raises VenueError when it cannot be asked, or what a bug on its answer raises: then it is left alone for a while, longer each time.
    """
    facts = {"venue": look.venue, "kind": look.kind.lower()}
    try:
        shown = ASK[look.kind](look.venue, look.since - CLOCK_SLACK)
    except (Error, CycleError):  # nothing of the venue's
        raise
    except Exception as error:  # a bug on what it answers, too: it would be met at each look
        _give_up(look, error)
        metrics.LOOKS.labels(**facts, outcome="failed").inc()
        raise
    recorded = sighting.record(look, shown)
    metrics.LOOKS.labels(**facts, outcome=_named(recorded)).inc()
    metrics.WOKEN.labels(by=look.kind.lower()).inc(recorded.woken)
    if recorded.changed:
        log.info("venue.looked", **facts, news=recorded.changed, woken=recorded.woken)
    return recorded


def _named(recorded: Recorded) -> str:
    """Say in a word what a look came to."""
    if recorded.is_overtaken:
        return "overtaken"
    return "news" if recorded.changed else "quiet"


def _give_up(look: Look, error: Exception) -> None:
    """Note that a look failed; the next one is due after a pause that doubles each time."""
    mine = VenueWatch.objects.filter(venue=look.venue, kind=look.kind, number=look.number)
    failures = mine.values_list("failures", flat=True).first() or 0
    pause = min(pace(look.kind) * 2 ** min(failures, 10), LONGEST_PAUSE)
    mine.update(
        owner="",
        expires_at=None,
        failures=F("failures") + 1,
        not_before=Now() + pause,
        error=f"{type(error).__name__}: {error}"[:500],
    )


def _withdrawals(venue: str, since: datetime) -> Sighting:
    listed = registry.venue(venue).all_withdrawals(since=since)
    return sighting.of_withdrawals(listed)


def _deposits(venue: str, since: datetime) -> Sighting:
    return sighting.of_deposits(registry.venue(venue).all_deposits(since=since))


def _orders(venue: str, since: datetime) -> Sighting:
    keys = awaited_orders(venue)
    reports = registry.venue(venue).orders(keys, since=since) if keys else ()
    return sighting.of_orders(reports, [key.client_order_id for key in keys])


ASK: dict[WatchKind, Callable[[str, datetime], Sighting]] = {
    WatchKind.WITHDRAWALS: _withdrawals,
    WatchKind.DEPOSITS: _deposits,
    WatchKind.ORDERS: _orders,
}


def states() -> dict[tuple[str, WatchKind], VenueWatch]:
    """Read where all watches of the desk's venues stand; `is_free` says that nobody looks now."""
    free = Q(expires_at__isnull=True) | Q(expires_at__lte=Now())
    rows = VenueWatch.objects.filter(venue__in=registry.desk_venues()).annotate(
        is_free=free, age=Now() - F("looked_at")
    )
    return {(row.venue, WatchKind(row.kind)): row for row in rows}
