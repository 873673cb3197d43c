"""What a steady stream of calls gets of a venue's windows, and how often something that makes several may be done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from exchanges.transport.limits import VenueLimits, Window, priority_of
from exchanges.transport.windows import COUNTED, PARTS

STEADY = Fraction(PARTS, COUNTED)  # what a stream without a pause gets of a window
MINUTE = 60
MOVE_MONEY = frozenset({"place_order", "withdraw"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """One window of a venue, what a steady stream gets of it, and what the whole of some calls draws."""

    window: Window
    units_a_minute: Fraction
    units_drawn: int

    @property
    def times_a_minute(self) -> Fraction:
        """Give how often a minute those calls may be made."""
        return self.units_a_minute / self.units_drawn


def shares(limits: VenueLimits, calls: Mapping[str, int]) -> Iterator[Share]:
    """Give each window that calls, counted by operation, draw from."""
    for window in limits.windows:
        drawn = {
            operation: count * dict(limits.costs_of(operation)).get(window.group, 0)
            for operation, count in calls.items()
        }
        operations = [name for name, units in drawn.items() if units]
        if operations:
            steady = units_a_minute(window, operations)
            yield Share(window=window, units_a_minute=steady, units_drawn=sum(drawn.values()))


def units_a_minute(window: Window, operations: list[str]) -> Fraction:
    """Give the units of a steady stream; whoever may draw least of the window bounds them all."""
    ceiling = min(
        window.ceiling(window.limit, priority_of(name, moves_money=name in MOVE_MONEY))
        for name in operations
    )
    return ceiling * STEADY * MINUTE / window.span_seconds
