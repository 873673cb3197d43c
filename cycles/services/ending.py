"""When a job of the queue ends: by itself, before the queue ends it wherever it is at that moment.

Between units of work it asks whether there is time for another; the next run goes on from there. What a unit
asks of venues ends in time as well: `exchanges.registry.ending_within`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

RUN_SECONDS = 25.0  # then nothing new begins
CALLS_SECONDS = 45.0  # then no call of a venue is under way; the queue ends a job after 50


def time_for_more() -> Callable[[], bool]:
    """Give what says whether a run that begins now may begin something more."""
    ends_at = time.monotonic() + RUN_SECONDS
    return lambda: time.monotonic() < ends_at
