"""Gathering of prices: a KRW book shown in coarser steps, sizes added up."""

from __future__ import annotations

from decimal import Decimal

from exchanges.simulator.core.books import Level
from exchanges.simulator.core.numbers import ONE, ZERO, ceil_to, floor_to

_TEN = Decimal(10)


def supported_levels(quote: str, price: Decimal, price_step: Decimal) -> list[Decimal]:
    """List the steps a book may be shown in: 0 for the market's own, then powers of ten."""
    steps = [ZERO]
    step = ONE.scaleb(price_step.adjusted()) * _TEN
    while quote == "KRW" and step <= price:
        steps.append(step)
        step *= _TEN
    return steps


def gathered(levels: list[Level], step: Decimal, *, is_bid: bool) -> list[Level]:
    """Add up one side by step: bids at the step below their price, asks at the one above."""
    filled = [level for level in levels if level.quantity > 0]
    if not step:
        return filled
    sums: dict[Decimal, Decimal] = {}
    for level in filled:
        price = floor_to(level.price, step) if is_bid else ceil_to(level.price, step)
        sums[price] = sums.get(price, ZERO) + level.quantity
    return [Level(price, quantity) for price, quantity in sums.items()]
