"""The registry of assets as this process last read it: names are translated from memory.

Read again every few seconds, in one query for all venues and threads. What must be exact to the moment
(a withdrawal) is judged by the database itself.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field

import structlog
from django.db import Error

from exchanges.identity.listed import Tie
from exchanges.identity.names import Names, names_of
from exchanges.models import AssetIdentity

FRESH_SECONDS = 5

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Reading:
    """What was read, when that began, and when all was forgotten."""

    names: dict[str, Names] = field(default_factory=dict)
    began_at: float | None = None
    forgotten_at: float = -1.0

    def age(self) -> float | None:
        """Give how old it is; None: nothing was read, or what was is forgotten."""
        if self.began_at is None or self.began_at <= self.forgotten_at:
            return None
        return time.monotonic() - self.began_at


_reading = _Reading()
# Never held while the database is asked: whoever reads may wait for the connection of who wants a name.
_guard = threading.Lock()
_turn = threading.Lock()  # of who reads anew what the others still use


def names(venue: str) -> Names:
    """Give a venue's names, a few seconds old at most; those read last while somebody reads, or the database is away."""
    with _guard:
        age = _reading.age()
    try:
        if age is None:
            _read_again()
        elif age > FRESH_SECONDS:
            refresh()
    except Error as error:
        log.warning("names.not_read", error=type(error).__name__)
    with _guard:
        return _reading.names.get(venue) or Names(venue=venue)


def refresh() -> None:
    """Read them again before they are too old for whoever asks next, unless somebody does.

    Raises what a database raises that is away: whoever refreshes tells an outage once.
    """
    if _turn.acquire(blocking=False):
        try:
            _read_again()
        finally:
            _turn.release()


def forget() -> None:
    """Read anew before the next name."""
    with _guard:
        _reading.forgotten_at = time.monotonic()


def _read_again() -> None:
    began_at, found = time.monotonic(), read()
    with _guard:
        if _reading.began_at is None or began_at >= _reading.began_at:
            _reading.names, _reading.began_at = found, began_at


def read() -> dict[str, Names]:
    """Read every venue's names, in one query."""
    ties: defaultdict[str, list[Tie]] = defaultdict(list)
    for row in AssetIdentity.objects.all():
        ties[row.venue].append(row.tie)
    return {venue: names_of(venue, rows) for venue, rows in ties.items()}
