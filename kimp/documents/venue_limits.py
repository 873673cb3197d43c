"""What venues allow, and how many cycles that lets a desk make: from the limits that the pacing counts by.

How often a cycle calls is counted by a benchmark (`whole_cycle`), and held to this by its test.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from exchanges import registry
from exchanges.transport.limits import Window, priority_of
from exchanges.transport.windows import COUNTED, PARTS

# A round trip of a coin, out and home again in the same coin: four orders, each whole at its first attempt, books read
# by request. The looks that serve all cycles at once (deposits, withdrawals on their way) are a desk's, not a cycle's.
CALLS_OF_A_CYCLE: dict[str, dict[str, int]] = {
    "binance": {"book": 2, "place_order": 2, "withdraw": 1},
    "upbit": {"book": 4, "place_order": 2, "order": 2, "withdraw": 1},
}
AS_UPBIT = "bithumb"  # it takes Upbit's place, by the same calls
MOVE_MONEY = frozenset({"place_order", "withdraw"})
STEADY = Fraction(PARTS, COUNTED)  # what a stream without a pause gets of a window
MINUTE = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One window of a venue, and what a cycle draws from it."""

    venue: str
    window: Window
    steady_a_minute: Fraction  # units
    units_a_cycle: int

    @property
    def cycles_a_minute(self) -> Fraction:
        """Give how many cycles a minute it lets one desk make."""
        return self.steady_a_minute / self.units_a_cycle


def calls_of(venue: str) -> dict[str, int]:
    """Give how often a cycle calls a venue, by operation."""
    return CALLS_OF_A_CYCLE["upbit" if venue == AS_UPBIT else venue]


def bounds() -> Iterator[Bound]:
    """Give each window that a cycle draws from."""
    for venue, adapter in registry.ADAPTERS.items():
        for window in adapter.limits.windows:
            drawn = {
                operation: count * dict(adapter.limits.costs_of(operation)).get(window.group, 0)
                for operation, count in calls_of(venue).items()
            }
            if any(drawn.values()):
                yield Bound(
                    venue=venue,
                    window=window,
                    steady_a_minute=_steady(window, [name for name, units in drawn.items() if units]),
                    units_a_cycle=sum(drawn.values()),
                )  # fmt: skip


def _steady(window: Window, operations: list[str]) -> Fraction:
    """Give the units a minute of a steady stream; whoever may draw least of the window bounds the cycle."""
    ceiling = min(
        window.ceiling(window.limit, priority_of(name, moves_money=name in MOVE_MONEY))
        for name in operations
    )
    return ceiling * STEADY * MINUTE / window.span_seconds


def least(venue: str) -> Bound:
    """Give the window that a venue's cycles come up against first."""
    return min((one for one in bounds() if one.venue == venue), key=lambda one: one.cycles_a_minute)


def rows() -> Iterator[tuple[str, ...]]:
    """Write a row of the table for each window, the one that binds its venue marked."""
    for one in bounds():
        window, cycles = one.window, f"{floor(one.cycles_a_minute):,}"
        seconds = "second" if window.span_seconds == 1 else f"{window.span_seconds:,} s"
        yield (
            one.venue,
            f"`{window.group}`",
            {"ip": "address", "account": "account"}[window.scope.value],
            f"{window.limit:,} a {seconds}" if window.span_seconds == 1 else f"{window.limit:,} in {seconds}",
            f"{window.reserve:,}" if window.reserve else "—",
            f"{floor(one.steady_a_minute):,}",
            f"{one.units_a_cycle:,}",
            f"**{cycles}**" if one == least(one.venue) else cycles,
        )  # fmt: skip


HEADINGS = (
    "venue",
    "window",
    "counted by",
    "it allows",
    "kept for what goes first",
    "a steady stream gets, a minute",
    "a cycle draws",
    "cycles a minute",
)


def pairs() -> Iterator[tuple[str, ...]]:
    """Write for each pair of venues which window binds it, and how many steps a second that leaves."""
    for korea in registry.KOREAN_VENUES:
        both = (registry.GLOBAL_VENUE, korea)
        bound = min((least(venue) for venue in both), key=lambda one: one.cycles_a_minute)
        steps = sum(calls_of(venue)[name] for venue in both for name in MOVE_MONEY)
        a_second = bound.cycles_a_minute * steps / MINUTE
        yield (
            " and ".join(both),
            f"{bound.venue}'s `{bound.window.group}`",
            f"{floor(bound.cycles_a_minute):,}",
            f"{steps}",
            f"{float(a_second):.1f}",
        )


HEADINGS_OF_PAIRS = (
    "venues",
    "what binds",
    "cycles a minute",
    "steps of a cycle that move money",
    "such steps a second",
)
