"""How far prices stray from the recorded ones where a scenario wants a wilder market: made from the seed.

A market's way is a chain of straight lines between levels, one part common to all venues (the coin moves),
one its own (the premium moves). Now and then a level lies four times as far out. Never recorded.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

COMMON = "everywhere"
OWN_SHARE = Decimal("0.3")
LEAP = 4
_LEAPS_BELOW = 16  # of 256 levels, so many are leaps
_BPS = Decimal(10_000)


class Shaping(Protocol):
    """What a scenario says of generated books and prices (`Settings` does)."""

    @property
    def depth_times(self) -> Decimal:
        """How many times as deep as usual."""

    @property
    def spread_times(self) -> Decimal:
        """How many times as wide and as sparse as usual."""

    @property
    def swing_bps(self) -> Decimal:
        """How far a price usually strays from the recorded one."""

    @property
    def swing_ms(self) -> int:
        """How long it takes from one such distance to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A market as it usually is."""

    depth_times: Decimal = Decimal(1)
    spread_times: Decimal = Decimal(1)
    swing_bps: Decimal = Decimal(0)
    swing_ms: int = 20_000


USUAL = Shape()


def swing(seed: int, venue: str, asset: str, market_ms: int, shaping: Shaping) -> Decimal:
    """Return the share by which a venue's price lies above the recorded one, or below (negative)."""
    knot, within_ms = divmod(market_ms, shaping.swing_ms)
    part = Decimal(within_ms) / shaping.swing_ms
    common = _way(f"{seed}:{COMMON}:{asset}", knot, part)
    own = _way(f"{seed}:{venue}:{asset}", knot, part)
    return (common + own * OWN_SHARE) * shaping.swing_bps / _BPS


def _way(key: str, knot: int, part: Decimal) -> Decimal:
    before, after = _level(key, knot), _level(key, knot + 1)
    return before + (after - before) * part


def _level(key: str, knot: int) -> Decimal:
    digest = hashlib.sha256(f"swing:{key}:{knot}".encode()).digest()
    level = 2 * Decimal(int.from_bytes(digest[:4], "big")) / 2**32 - 1
    return level * LEAP if digest[4] < _LEAPS_BELOW else level
