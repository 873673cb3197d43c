"""Two clocks: wall time, given from outside, and market time, which runs `speed` times as fast.

Signatures, receive windows, rate limits and every timestamp on the wire are wall time. Prices,
the chain and the exchange rate are market time. An event happens at its own market instant, not
when somebody looks, so that the same inputs give the same history however often time is advanced.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.simulator.core.numbers import ONE


@dataclass(slots=True)
class Timeline:
    """Maps wall milliseconds to market milliseconds since the stretch began, piecewise."""

    wall_ms: int = 0
    market_ms: int = 0
    anchor_wall_ms: int = 0
    anchor_market_ms: int = 0
    speed: Decimal = ONE
    is_frozen: bool = False

    def market_at(self, wall_ms: int) -> int:
        """Return the market instant of a wall instant since the last change of pace."""
        if self.is_frozen:
            return self.anchor_market_ms
        return self.anchor_market_ms + int((wall_ms - self.anchor_wall_ms) * self.speed)

    def wall_at(self, market_ms: int) -> int:
        """Return the wall instant at which a market instant was reached."""
        if self.is_frozen or market_ms <= self.anchor_market_ms:
            return self.anchor_wall_ms
        return self.anchor_wall_ms + int((market_ms - self.anchor_market_ms) / self.speed)

    def market_before(self, wall_ms: int) -> int:
        """Return the market instant of a wall instant in the past, had the pace always been this."""
        return self.market_ms - int((self.wall_ms - wall_ms) * self.speed)

    def wall_before(self, market_ms: int) -> int:
        """Return the wall instant of a market instant in the past, had the pace always been this."""
        return self.wall_ms - int((self.market_ms - market_ms) / self.speed)

    def reach(self, wall_ms: int, market_ms: int) -> None:
        """Let it be this instant on both clocks; time never goes back."""
        self.wall_ms = max(self.wall_ms, wall_ms)
        self.market_ms = max(self.market_ms, market_ms)

    def rebase(self, *, jump_ms: int = 0) -> None:
        """Start a new piece here, before the pace changes or after a jump of market time."""
        self.anchor_market_ms = self.market_ms + jump_ms
        self.anchor_wall_ms = self.wall_ms


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """Something due at a market instant; `number` keeps equal instants in order of planning."""

    market_ms: int
    number: int
    kind: str = field(compare=False)
    subject: str = field(compare=False)
    generation: int = field(compare=False, default=0)


@dataclass(slots=True)
class Agenda:
    """The heap of events still to come."""

    events: list[Event] = field(default_factory=list)
    planned: int = 0

    def plan(self, market_ms: int, kind: str, subject: str, generation: int = 0) -> None:
        """Add an event."""
        self.planned += 1
        heapq.heappush(self.events, Event(market_ms, self.planned, kind, subject, generation))

    def pop_due(self, market_ms: int) -> Event | None:
        """Take the earliest event that is due, if any."""
        if self.events and self.events[0].market_ms <= market_ms:
            return heapq.heappop(self.events)
        return None
