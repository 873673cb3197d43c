"""How often a caller may do a thing, on the simulator's wall clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pace:
    """At most `limit` in any stretch of `window_ms`."""

    limit: int
    window_ms: int
    times: deque[int] = field(default_factory=deque)

    def take(self, now_ms: int) -> bool:
        """Count one, unless that would be too many."""
        while self.times and self.times[0] <= now_ms - self.window_ms:
            self.times.popleft()
        if len(self.times) >= self.limit:
            return False
        self.times.append(now_ms)
        return True


@dataclass(slots=True)
class Door:
    """Admits connections of one caller; one who goes on knocking may be shut out for a while."""

    paces: tuple[Pace, ...]
    ban_ms: int = 0
    patience: int = 10
    refused: int = 0
    until_ms: int = 0

    def admits(self, now_ms: int) -> bool:
        """Count an attempt and say whether it may come in."""
        if now_ms < self.until_ms:
            return False
        counted = [pace.take(now_ms) for pace in self.paces]  # every one of them counts
        if all(counted):
            self.refused = 0
            return True
        self.refused += 1
        if self.ban_ms and self.refused >= self.patience:
            self.until_ms, self.refused = now_ms + self.ban_ms, 0
        return False
