"""What venues allow, and how many cycles that lets a desk make: from the limits that the pacing counts by.

How often a cycle calls is counted by a benchmark (`whole_cycle`), and held to this by its test.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import floor

from exchanges import registry
from exchanges.registry import VenueShare

# A round trip of a coin, out and home again in the same coin: four orders, each whole at its first attempt, books read
# by request. The looks that serve all cycles at once (deposits, withdrawals on their way) are a desk's, not a cycle's.
# Bithumb takes an order a moment after it has answered, so each is looked for twice at least; and its list of allowed
# addresses is read before a withdrawal.
CALLS_OF_A_CYCLE: dict[str, dict[str, int]] = {
    "binance": {"book": 2, "place_order": 2, "withdraw": 1},
    "upbit": {"book": 4, "place_order": 2, "order": 2, "withdraw": 1},
    "bithumb": {"book": 4, "place_order": 2, "order": 4, "withdrawal_addresses": 1, "withdraw": 1},
}
MOVE_MONEY = ("place_order", "withdraw")
MINUTE = 60


def least(venue: str) -> VenueShare:
    """Give the window that a venue's cycles come up against first."""
    return min(registry.shares(venue, CALLS_OF_A_CYCLE[venue]), key=lambda one: one.times_a_minute)


def rows() -> Iterator[tuple[str, ...]]:
    """Write a row of the table for each window, the one that binds its venue marked."""
    for venue in registry.VENUES:
        for share in registry.shares(venue, CALLS_OF_A_CYCLE[venue]):
            yield (venue, *_row(share, is_least=share == least(venue)))


def _row(share: VenueShare, *, is_least: bool) -> tuple[str, ...]:
    window, cycles = share.window, f"{floor(share.times_a_minute):,}"
    span = "a second" if window.span_seconds == 1 else f"in {window.span_seconds:,} s"
    return (
        f"`{window.group}`",
        {"ip": "address", "account": "account"}[window.scope.value],
        f"{window.limit:,} {span}",
        f"{window.reserve:,}" if window.reserve else "—",
        f"{floor(share.units_a_minute):,}",
        f"{share.units_drawn:,}",
        f"**{cycles}**" if is_least else cycles,
    )


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
        binds = min(both, key=lambda venue: least(venue).times_a_minute)
        cycles = least(binds).times_a_minute
        steps = sum(CALLS_OF_A_CYCLE[venue][name] for venue in both for name in MOVE_MONEY)
        yield (
            " and ".join(both),
            f"{binds}'s `{least(binds).window.group}`",
            f"{floor(cycles):,}",
            f"{steps}",
            f"{float(cycles * steps / MINUTE):.1f}",
        )


HEADINGS_OF_PAIRS = (
    "venues",
    "what binds",
    "cycles a minute",
    "steps of a cycle that move money",
    "such steps a second",
)
