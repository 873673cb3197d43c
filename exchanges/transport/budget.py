"""How long a venue's own limiter asks us to pause, shared by the threads of one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class RateBudget:
    """Remembers, per group of calls, until when the venue's limiter has nothing left for us.

    Venues name their groups in the reply (`Remaining-Req: group=order`), so which group an operation
    belongs to is learned from the last reply to it.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._guard = threading.Lock()
        self._held_until: dict[str, float] = {}
        self._group_of: dict[str, str] = {}

    def seconds_to_wait(self, operation: str) -> float:
        """Give how long a call should wait: 0 if it may go now."""
        with self._guard:
            group = self._group_of.get(operation, "")
            held = max(self._held_until.get(group, 0.0), self._held_until.get("", 0.0))
        return max(held - self._monotonic(), 0.0)

    def note(self, operation: str, *, group: str, hold_seconds: float) -> None:
        """Note what a reply said: its group ("" holds every call), and how long to pause."""
        with self._guard:
            if group:
                self._group_of[operation] = group
            if hold_seconds > 0:
                until = self._monotonic() + hold_seconds
                self._held_until[group] = max(self._held_until.get(group, 0.0), until)
