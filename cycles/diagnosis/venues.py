"""One venue, asked: does it answer, is its clock right, what may our key do. Only reads are sent.

The first call that stays unanswered ends the venue's lines with one that says so; the other venues are
still looked at. A call takes KIMP_VENUE_DEADLINE_SECONDS at most, a venue's lines together PATIENCE_SECONDS.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from cycles.diagnosis import keys
from cycles.diagnosis.findings import Finding, amiss, doubtful, well
from exchanges import registry
from exchanges.errors import RefusalReason, RefusedError, ThrottledError, VenueError
from exchanges.port import Venue

PATIENCE_SECONDS = 60.0
NOTABLE_SECONDS = 1.0  # further ahead than that Binance refuses a stamp

Look = Callable[[Venue, datetime], Iterable[Finding]]


def of_venue(code: str, now: datetime) -> list[Finding]:
    """Give a venue's lines."""
    if not registry.has_keys(code):
        return [
            amiss(
                "key",
                "this process has none for the venue",
                "run the doctor with a worker's settings: KIMP_ROLE=worker manage.py doctor",
            )
        ]
    found: list[Finding] = []
    try:
        found.extend(_lines(code, now))  # those before an error stay
    except RefusedError as error:
        found.append(_refused(error))
    except ThrottledError as error:
        told = "run the doctor again in a minute; a ban stands in the admin under venue limits"
        found.append(doubtful("limits", str(error), told))
    except VenueError as error:
        found.append(silent(error))
    return found


def silent(error: VenueError) -> Finding:
    """Say that a venue did not answer."""
    return amiss(
        "answers",
        str(error),
        "see the venue's status page and this machine's way out (DNS, firewall, proxy), then try again",
    )


def _lines(code: str, now: datetime) -> Iterator[Finding]:
    ends_at = time.monotonic() + PATIENCE_SECONDS
    venue = registry.venue(code)
    looks: tuple[Look, ...] = (_clock, keys.of_scopes, keys.of_views)
    for look in looks:
        if time.monotonic() > ends_at:
            yield amiss(
                "answers", f"slower than {PATIENCE_SECONDS:.0f} s in all", "try again later"
            )
            return
        yield from look(venue, now)


def _clock(venue: Venue, _now: datetime) -> Iterator[Finding]:
    state = registry.clock_state(venue.code)
    cure = "let time synchronisation (chrony, systemd-timesyncd) run on this machine"
    if state.objection:
        yield amiss("clock", state.objection, cure)
        return
    apart = state.ahead_seconds or 0.0
    detail = f"{abs(apart):.2f} s apart, give or take {state.doubt_seconds:.2f} s"
    if abs(apart) - state.doubt_seconds > NOTABLE_SECONDS:
        yield doubtful("clock", detail, cure)
    else:
        yield well("clock", f"{detail} (limit {state.limit_seconds:g} s)")


def _refused(error: RefusedError) -> Finding:
    if error.reason is RefusalReason.KEY:
        return keys.refused(error)
    return amiss("answers", str(error), "read what the venue says; its documents name the error")
