"""When a job of the queue ends: by itself, before the queue ends it wherever it is at that moment.

Between units of work it asks whether there is time for another; the next run goes on from there. What a unit
asks of venues ends in time as well: `exchanges.registry.ending_within`. Once the queue itself is told to end, there
is time for nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from multiprocessing.sharedctypes import RawValue

# What a task gives that was to begin after that: its broker is to keep it.
LEFT = "left: the queue's cluster was told to end"
RUN_SECONDS = 25.0  # then nothing new begins
CALLS_SECONDS = 45.0  # then no call of a venue is under way; the queue ends a job after 50

# When this process, or the one that it was forked from, was told to end; 0 if it was not. It has no lock: who is
# told by a signal might be told while it holds it.
_told_at = RawValue("d", 0.0)


def tell() -> None:
    """Let the jobs of this process, and of those forked from it, begin nothing more."""
    _told_at.value = time.monotonic()


def told_for() -> timedelta:
    """Give how long ago they were told to end; none if they were not."""
    told_at = _told_at.value
    return timedelta(seconds=time.monotonic() - told_at if told_at else 0)


def time_for_more() -> Callable[[], bool]:
    """Give what says whether a run that begins now may begin something more."""
    ends_at = time.monotonic() + RUN_SECONDS
    return lambda: not _told_at.value and time.monotonic() < ends_at
