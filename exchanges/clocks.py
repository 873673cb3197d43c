"""Where a venue's clock stands, as a value: the seconds between clocks are durations, never money."""

from __future__ import annotations

from dataclasses import dataclass

MOST_DOUBT_SECONDS = 1.0  # venues refuse a stamp that is a second ahead


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockState:
    """What is known of a venue's clock: how far it is ahead of ours, give or take; None: nothing."""

    venue: str
    ahead_seconds: float | None
    doubt_seconds: float
    is_refused: bool
    limit_seconds: float

    @property
    def objection(self) -> str:
        """Say why nothing should be traded on this clock; empty: nothing speaks against it."""
        if self.is_refused:
            return f"{self.venue} refuses our stamps although its clock was measured"
        if self.ahead_seconds is None:
            return f"the clock of {self.venue} could not be measured"
        if abs(self.ahead_seconds) > self.limit_seconds:
            side = "ahead of" if self.ahead_seconds > 0 else "behind"
            apart = abs(self.ahead_seconds)
            limit = f"(limit {self.limit_seconds:g} s)"
            return f"the clock of {self.venue} is {apart:.1f} s {side} ours {limit}"
        if self.doubt_seconds > MOST_DOUBT_SECONDS:
            return f"the clock of {self.venue} is known to {self.doubt_seconds:.1f} s only"
        return ""
