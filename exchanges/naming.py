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
    """What was read, and when; when it was last said to be of no use any more."""

    names: dict[str, Names] = field(default_factory=dict)
    read_at: float | None = None
    forgotten_at: float = -1.0


_reading = _Reading()
_guard = threading.Lock()


def names(venue: str) -> Names:
    """Give a venue's names, a few seconds old at most; with the database away, those read last."""
    with _guard:
        age = None if _reading.read_at is None else time.monotonic() - _reading.read_at
        if age is None or age > FRESH_SECONDS:
            found = _found()
            if found is not None:
                _reading.names, _reading.read_at = found, time.monotonic()
        return _reading.names.get(venue) or Names(venue=venue)


def refresh() -> None:
    """Read them again before they are too old for whoever asks next; who asks meanwhile does not wait for it.

    Raises what a database raises that is away: an outage is told once, by who refreshes.
    """
    began, found = time.monotonic(), read()
    with _guard:
        if began > max(_reading.forgotten_at, _reading.read_at or -1.0):
            _reading.names, _reading.read_at = found, began


def forget() -> None:
    """Read anew before the next name."""
    with _guard:
        _reading.read_at, _reading.forgotten_at = None, time.monotonic()


def _found() -> dict[str, Names] | None:
    try:
        return read()
    except Error as error:
        log.warning("names.not_read", error=type(error).__name__)
        return None


def read() -> dict[str, Names]:
    """Read every venue's names, in one query."""
    ties: defaultdict[str, list[Tie]] = defaultdict(list)
    for row in AssetIdentity.objects.all():
        ties[row.venue].append(row.tie)
    return {venue: names_of(venue, rows) for venue, rows in ties.items()}
