"""The database's clock, held against a venue's: ages go by it, and a window that only a clock that was set has passed has not passed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from cycles.models import Alert
from cycles.services.alerting import raise_alert
from cycles.services.desk import database_now
from exchanges import registry
from exchanges.clocks import ClockState
from exchanges.errors import VenueError

log = structlog.get_logger(__name__)

APART = timedelta(seconds=2)  # venues' windows are reckoned with seconds to spare; the least is 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The database's clock, and why no absence at a venue is proven by it; empty: it can be.

    `is_apart`: by a difference that was measured.
    """

    at: datetime
    disagreement: str
    is_apart: bool = False


def read(venue: str) -> Reading:
    """Read the database's clock. The venue's is known to this process, or is asked for."""
    try:
        state = registry.clock_state(venue)
    except VenueError as error:
        return Reading(
            at=database_now(), disagreement=f"the clock of {venue} is not known: {error}"
        )
    began_at = registry.utc_now()
    at = database_now()
    found = disagreement(state, at, began_at, registry.utc_now())
    return Reading(
        at=at, disagreement=found, is_apart=bool(found) and state.ahead_seconds is not None
    )


def disagreement(state: ClockState, at: datetime, began_at: datetime, ended_at: datetime) -> str:
    """Say by how much the database's clock, read between two instants of ours, lies apart from the venue's.

    Ours need not be right: what a venue's is ahead of it, and what the database's is, are of the same moment. But a
    venue that is off by no more than is traded with shortens no window: where ours and the database's agree, it was not set.
    """
    if state.ahead_seconds is None:
        return f"the clock of {state.venue} is not known"
    doubt = APART + timedelta(seconds=state.doubt_seconds)
    ahead = timedelta(seconds=state.ahead_seconds)
    if began_at + ahead - doubt <= at <= ended_at + ahead + doubt:
        return ""
    is_ours_right = abs(state.ahead_seconds) <= state.limit_seconds
    if is_ours_right and began_at - APART <= at <= ended_at + APART:
        return ""
    apart = at - (ended_at + ahead)
    side = "ahead of" if apart > timedelta(0) else "behind"
    return (
        f"the database's clock is {abs(apart).total_seconds():.1f} s {side} that of {state.venue}"
    )


def tell(venue: str, reading: Reading) -> None:
    """Say that nothing is proven by a clock that disagrees: once an hour, by a venue. One that is not known may be in a moment."""
    if not reading.is_apart:
        return
    told = raise_alert(
        key=f"database_clock:{venue}:{registry.utc_now():%Y%m%d%H}",
        severity=Alert.Severity.CRITICAL,
        title=f"The database's clock and that of {venue} disagree",
        body=f"{reading.disagreement}. No order is taken for absent by it: cycles with an unknown outcome wait, and go on when "
        "it is right again. Is time synchronisation running on the database's host, and does it slew? If so, it is the venue's.",
    )
    if told:
        log.error("database.clock_disagrees", venue=venue, reason=reading.disagreement)
