"""Walking a book: what a quantity or a notional really trades at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from cycles.domain.money import ZERO, ratio_bps
from exchanges.values import Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """What walking one side of a book gives. `is_full`: the book was deep enough."""

    quantity: Decimal
    notional: Decimal
    best_price: Decimal
    worst_price: Decimal
    is_full: bool

    @property
    def average_price(self) -> Decimal:
        """Give notional per quantity."""
        return self.notional / self.quantity if self.quantity else self.best_price

    @property
    def slippage_bps(self) -> Decimal:
        """Give the average fill against the top of the book, positive is a loss on either side."""
        return abs(ratio_bps(self.average_price, self.best_price))


def walk_quantity(levels: Sequence[Level], quantity: Decimal) -> Walk | None:
    """Take `quantity` of base from the levels, best first; None for an empty side."""
    if not levels:
        return None
    left, notional, worst = quantity, ZERO, levels[0].price
    for level in levels:
        if left <= 0:
            break
        taken = min(left, level.quantity)
        notional += taken * level.price
        worst = level.price
        left -= taken
    return Walk(
        quantity=quantity - left,
        notional=notional,
        best_price=levels[0].price,
        worst_price=worst,
        is_full=left <= 0,
    )


def walk_notional(levels: Sequence[Level], notional: Decimal) -> Walk | None:
    """Spend `notional` of quote on the levels, best first; None for an empty side."""
    if not levels:
        return None
    left, quantity, worst = notional, ZERO, levels[0].price
    for level in levels:
        if left <= 0:
            break
        taken = min(left, level.quantity * level.price)
        quantity += taken / level.price
        worst = level.price
        left -= taken
    return Walk(
        quantity=quantity,
        notional=notional - left,
        best_price=levels[0].price,
        worst_price=worst,
        is_full=left <= 0,
    )
