"""All money of the simulated world, moved between named places; it never appears or vanishes.

A place is `<venue>.free`, `<venue>.locked`, `<venue>.maker` (everybody else on the venue),
`<venue>.fees`, `chain.flight`, `chain.lost` or `outside`. For each asset all places sum to zero,
because what an account holds came from `outside` or from makers. Each move checks its own asset.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.simulator.core.errors import InvariantViolationError
from exchanges.simulator.core.numbers import ZERO

OUTSIDE = "outside"
FLIGHT = "chain.flight"
LOST = "chain.lost"
# Places that may never hold less than nothing.
_SOLID = (".free", ".locked", ".fees", ".flight", ".lost")


@dataclass(frozen=True, slots=True)
class Past:
    """What a place held before the last change, for replies that lag."""

    held: Decimal
    changed_ms: int


@dataclass(slots=True)
class Vault:
    """Holdings by (place, asset), with a running total per asset that must stay zero."""

    cells: dict[tuple[str, str], Decimal] = field(default_factory=dict)
    totals: dict[str, Decimal] = field(default_factory=dict)
    past: dict[tuple[str, str], Past] = field(default_factory=dict)
    moves: int = 0

    def held(self, place: str, asset: str) -> Decimal:
        """Say how much of the asset the place holds."""
        return self.cells.get((place, asset), ZERO)

    def held_before(self, place: str, asset: str, since_ms: int) -> Decimal:
        """Say what the place held before any change younger than `since_ms` (wall)."""
        past = self.past.get((place, asset))
        if past is not None and past.changed_ms >= since_ms:
            return past.held
        return self.held(place, asset)

    def move(self, asset: str, quantity: Decimal, source: str, target: str, at_ms: int) -> None:
        """Move a quantity; raise InvariantViolationError if money is made, lost or overdrawn."""
        if quantity == ZERO:
            return
        if quantity < ZERO:
            raise InvariantViolationError(f"negative move of {quantity} {asset}")
        self.moves += 1
        change = self._add(source, asset, -quantity, at_ms) + self._add(
            target, asset, quantity, at_ms
        )
        total = self.totals.get(asset, ZERO) + change
        self.totals[asset] = total
        if total != ZERO:
            raise InvariantViolationError(f"{asset} sums to {total} after {source} -> {target}")

    def _add(self, place: str, asset: str, delta: Decimal, at_ms: int) -> Decimal:
        key = (place, asset)
        before = self.cells.get(key, ZERO)
        after = before + delta
        if after < ZERO and place.endswith(_SOLID):
            raise InvariantViolationError(f"{place} would hold {after} {asset}")
        past = self.past.get(key)
        if past is None or past.changed_ms != at_ms:
            self.past[key] = Past(before, at_ms)
        self.cells[key] = after
        return after - before

    def assets_at(self, venue: str) -> list[str]:
        """Name the assets the account at the venue has ever held, in order of first sight."""
        ends = (f"{venue}.free", f"{venue}.locked")
        return list(dict.fromkeys(asset for place, asset in self.cells if place in ends))

    def problems(self) -> list[str]:
        """Scan everything and say what does not sum to zero or is below zero."""
        sums: dict[str, Decimal] = {}
        found: list[str] = []
        for (place, asset), held in self.cells.items():
            sums[asset] = sums.get(asset, ZERO) + held
            if held < ZERO and place.endswith(_SOLID):
                found.append(f"{place} holds {held} {asset}")
        return found + [f"{asset} sums to {total}" for asset, total in sums.items() if total]
