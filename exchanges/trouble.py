"""What a thread that must not end meets and nobody foresaw: told, counted, waited out; then the thread goes on.

A bug that is there at each turn would fill the log, so each kind is said at once and then ever more seldom.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from weakref import WeakSet

import structlog

from exchanges.metrics import THREAD_FAULTS

FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=1), timedelta(seconds=30)
FIRST_SILENCE, LONGEST_SILENCE = timedelta(minutes=1), timedelta(hours=1)
LASTING = 3  # turns in a row: the thread does not get on

log = structlog.get_logger(__name__)

Kind = tuple[type[Exception], str, int]  # what was raised, and where


@dataclass(slots=True)
class _Said:
    """When a kind was said last, how long nothing is said of it, and how often it was met since."""

    at: timedelta
    silence: timedelta
    unsaid: int = 0


class Trouble:
    """What one thread has met; any thread may ask for it. The desk is well without one that is not `is_needed`."""

    def __init__(
        self, thread: str, *, event: str = "thread.broken", is_needed: bool = True
    ) -> None:
        self.thread, self.in_a_row, self.is_needed = thread, 0, is_needed
        self._event = event
        self._said: dict[Kind, _Said] = {}
        self._guard = threading.Lock()
        with _guard:
            _all.add(self)

    def tell(self, error: Exception) -> timedelta:
        """Tell of a turn that ended so; gives how long to pause before the next, longer each time."""
        THREAD_FAULTS.labels(thread=self.thread).inc()
        with self._guard:
            times: int = 2 ** min(self.in_a_row, 10)
            pause = min(FIRST_PAUSE * times, LONGEST_PAUSE)
            self.in_a_row += 1
            unsaid = self._unsaid(_kind(error))
        if unsaid is not None:
            log.error(self._event, thread=self.thread, met_unsaid=unsaid, exc_info=error)
        return pause

    def over(self) -> None:
        """Take note of a turn that went well."""
        with self._guard:
            was, self.in_a_row = self.in_a_row, 0
        if was >= LASTING:
            log.info("thread.goes_on", thread=self.thread)

    def _unsaid(self, kind: Kind) -> int | None:
        """Give how often a kind was met since it was last said; None: it is not to be said now."""
        now = timedelta(seconds=time.monotonic())
        said = self._said.get(kind)
        if said is None:
            self._said[kind] = _Said(now, FIRST_SILENCE)
            return 0
        if now - said.at < said.silence:
            said.unsaid += 1
            return None
        self._said[kind] = _Said(now, min(said.silence * 2, LONGEST_SILENCE))
        return said.unsaid


_all: WeakSet[Trouble] = WeakSet()
_guard = threading.Lock()


def lasting() -> list[str]:
    """Name the threads of this process that do not get on, and are needed."""
    with _guard:
        return sorted({one.thread for one in _all if one.is_needed and one.in_a_row >= LASTING})


def _kind(error: Exception) -> Kind:
    """Say what was raised, and where: two bugs of one type are two kinds. A group is of its first one's kind."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = ("", 0) if place is None else (place.tb_frame.f_code.co_filename, place.tb_lineno)
    return type(error), *where
