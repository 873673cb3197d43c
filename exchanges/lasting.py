"""A clock for what runs out elsewhere too, as a lease or a call's time: it goes on while the host sleeps."""

from __future__ import annotations

import time
from datetime import timedelta

# On Linux the monotonic clock stands still then; where there is no other, it does not.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def lasting() -> timedelta:
    """Read it: since some instant that is this host's own, and that nobody sets."""
    return timedelta(seconds=lasting_seconds())


def lasting_seconds() -> float:
    """Read it in seconds."""
    return time.clock_gettime(_CLOCK)
