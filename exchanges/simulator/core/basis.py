"""How far a venue's price lies from another's where its own was not recorded: made from the seed.

A chain of straight lines between levels drawn every half hour of market time. Never recorded, and
shown as generated.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal

KNOT_MS = 1_800_000
WIDEST = Decimal("0.0015")


def basis(seed: int, venue: str, asset: str, market_ms: int) -> Decimal:
    """Return the share by which the venue is dearer (or, below zero, cheaper) at an instant."""
    knot, within_ms = divmod(market_ms, KNOT_MS)
    before, after = (_level(seed, venue, asset, number) for number in (knot, knot + 1))
    return before + (after - before) * within_ms / KNOT_MS


def _level(seed: int, venue: str, asset: str, knot: int) -> Decimal:
    digest = hashlib.sha256(f"basis:{seed}:{venue}:{asset}:{knot}".encode()).digest()
    return WIDEST * (2 * Decimal(int.from_bytes(digest[:4], "big")) / 2**32 - 1)
