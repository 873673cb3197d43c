"""Venues that are not to be traded on for now: a clock that is off, a ban. People are told once, of the end too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from django.db.models.functions import Now

from cycles import conf
from cycles.errors import VenueClockError
from cycles.models import Alert
from cycles.services.alerting import Telling, raise_alert, raise_alerts
from cycles.services.locking import in_transaction
from exchanges import registry
from exchanges.clocks import ClockState
from exchanges.errors import VenueError
from exchanges.models import RateWindow, VenueClock

log = structlog.get_logger(__name__)

REMEMBERED = timedelta(seconds=30)
RECENT = timedelta(minutes=10)  # what a host said before that may be of a host that is gone
BANNED = "banned"

_written: dict[str, tuple[bool, datetime]] = {}  # by venue: what this process last wrote, and when


def demand_right_clock(venue: str) -> None:
    """Raise VenueClockError while a venue's clock is not to be traded on.

    It is measured by the way, so trading goes on by itself when the clock is right again. Raises
    VenueError if the venue cannot be asked for it.
    """
    state = _measured(venue)
    if state.objection:
        raise VenueClockError(
            f"{state.objection}: nothing is sent to {venue} until it is right again"
        )


def measure_clock(venue: str) -> None:
    """Look at a venue's clock before anybody has to wait for that. Raises VenueError if it cannot be asked."""
    _measured(venue, is_early=True)


def _measured(venue: str, *, is_early: bool = False) -> ClockState:
    state = registry.clock_state(venue, is_early=is_early)
    _note_clock(state, is_early=is_early)
    return state


def clock_objections(venues: Sequence[str]) -> tuple[str, ...]:
    """Say of each venue why no cycle should begin there, by its clock as this process sees it."""
    found = []
    for venue in venues:
        try:
            demand_right_clock(venue)
        except (VenueClockError, VenueError) as error:
            found.append(str(error))
    return tuple(found)


def stopped_clocks(venues: Sequence[str]) -> tuple[str, ...]:
    """Say what the desk's processes have written down lately against the venues' clocks."""
    rows = VenueClock.objects.filter(
        venue__in=venues, stopped_at__isnull=False, measured_at__gt=Now() - RECENT
    )
    return tuple(rows.order_by("venue", "host").values_list("stopped_because", flat=True))


def _note_clock(state: ClockState, *, is_early: bool) -> None:
    """Write down that trading stops, or goes on; whoever changes the row tells people."""
    is_stopped, now = bool(state.objection), registry.utc_now()
    last = _written.get(state.venue)
    lasts = REMEMBERED / 2 if is_early else REMEMBERED
    if last is not None and last[0] == is_stopped and now - last[1] < lasts:
        return
    in_transaction(lambda: _stop(state) if is_stopped else _go_on(state.venue))
    _written[state.venue] = (is_stopped, now)


def _stop(state: ClockState) -> None:
    venue, host, reason = state.venue, registry.host_name(), state.objection
    measured = {
        "ahead_ms": round((state.ahead_seconds or 0) * 1000),
        "doubt_ms": round(state.doubt_seconds * 1000),
        "measured_at": Now(),
    }
    row, _ = VenueClock.objects.get_or_create(venue=venue, host=host, defaults=measured)
    fresh = VenueClock.objects.filter(pk=row.pk, stopped_at__isnull=True)
    if fresh.update(stopped_at=Now(), stopped_because=reason[:200], **measured):
        log.error("venue.clock_stops_trading", venue=venue, reason=reason)
        raise_alert(
            key=f"clock:{venue}:{host}:{registry.utc_now():%Y%m%d%H}",
            severity=Alert.Severity.CRITICAL,
            title=f"No trading on {venue}: its clock and that of {host} disagree",
            body=f"{reason}. Cycles wait and lose nothing; they go on when it is right again. "
            "Is time synchronisation running there?",
        )


def _go_on(venue: str) -> None:
    host = registry.host_name()
    stopped = VenueClock.objects.filter(venue=venue, host=host, stopped_at__isnull=False)
    if stopped.update(stopped_at=None, stopped_because=""):
        log.info("venue.clock_is_right_again", venue=venue)
        raise_alert(
            key=f"clock-right:{venue}:{host}:{registry.utc_now():%Y%m%d%H}",
            severity=Alert.Severity.INFO,
            title=f"Trading on {venue} goes on: its clock and that of {host} agree again",
        )


def tell_of_bans() -> int:
    """Alert people of each ban by a venue, once; returns how many are in force."""
    told = [_banned(venue, minute, rows) for (venue, minute), rows in _bans().items()]
    if told:
        raise_alerts(told)
    return len(told)


def _banned(venue: str, minute: str, rows: Sequence[RateWindow]) -> Telling:
    """Say what people are told of one ban."""
    until: datetime = rows[0].held_until or registry.utc_now()
    shown = until.astimezone(conf.display_time_zone())
    scopes = ", ".join(row.scope for row in rows)
    return Telling(
        key=f"banned:{venue}:{rows[0].scope}:{minute}",
        severity=Alert.Severity.CRITICAL,
        title=f"{venue} has banned us until {shown:%H:%M:%S} ({scopes})",
        body="No process of the desk calls it before that, and cycles wait. Does anything else "
        "use this account or address?",
    )


def _bans() -> dict[tuple[str, str], list[RateWindow]]:
    """Give the windows that are closed by a ban, by venue and the minute of its end: one ban closes several."""
    rows = RateWindow.objects.filter(held_because=BANNED, held_until__gt=Now())
    bans: dict[tuple[str, str], list[RateWindow]] = {}
    for row in rows.order_by("venue", "scope"):
        bans.setdefault((row.venue, f"{row.held_until:%Y%m%d%H%M}"), []).append(row)
    return bans
