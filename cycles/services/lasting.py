"""A clock for what runs out in the database too, a lease: it goes on while the host sleeps."""

from __future__ import annotations

import time
from datetime import timedelta

# On Linux the monotonic clock stands still then; where there is no other, it does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def lasting() -> timedelta:
    """Read it: since some instant that is this host's own, and that nobody sets."""
    return timedelta(seconds=time.clock_gettime(_CLOCK))
