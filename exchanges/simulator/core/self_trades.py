"""Keeps an account's orders from meeting one another, by the rule that the newer one carries.

Only an own order that stands before the whole displayed book is in the way: deeper ones would be
met by orders that sweep the book, which this simulator lets pass.
"""

from __future__ import annotations

from decimal import Decimal

from exchanges.simulator.core import matching
from exchanges.simulator.core.books import Level
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.numbers import EIGHT_PLACES, floor_to, plain
from exchanges.simulator.core.orders import BUY, CANCELLED, OPEN, Order
from exchanges.simulator.core.world import World

CANCEL_MAKER = "cancel_maker"
CANCEL_TAKER = "cancel_taker"
REDUCE = "reduce"
RULES = frozenset({CANCEL_MAKER, CANCEL_TAKER, REDUCE})


def prevent(world: World, market: Market, order: Order) -> None:
    """Apply the order's rule to each own order that it would meet before the book."""
    for resting in _in_the_way(world, order, matching.facing(world, market, order)):
        if order.state != OPEN:
            return
        if order.smp_type == CANCEL_MAKER:
            _cancel(world, market, resting)
        elif order.smp_type == CANCEL_TAKER or order.quantity is None:
            _cancel(world, market, order)
        else:
            overlap = min(order.remaining, resting.remaining)
            _reduce(world, market, order, overlap)
            _reduce(world, market, resting, overlap)


def _in_the_way(world: World, order: Order, levels: list[Level]) -> list[Order]:
    """Return the own resting orders that would be matched first, the best price first."""
    best = next((level.price for level in levels if level.quantity > 0), None)
    facing = [
        own
        for own in world.orders[order.venue].open_orders()
        if own.symbol == order.symbol and own.side != order.side and own.has_rested
    ]
    met = [own for own in facing if _is_met(order, own.price, best)]
    is_buy = order.side == BUY
    return sorted(met, key=lambda own: (own.price or Decimal(0)) * (1 if is_buy else -1))


def _is_met(order: Order, price: Decimal | None, best: Decimal | None) -> bool:
    if price is None or not matching.crosses(order, price):
        return False
    if best is None:
        return True
    return price < best if order.side == BUY else price > best


def _cancel(world: World, market: Market, order: Order) -> None:
    order.prevented_quantity += order.remaining
    order.prevented_locked += order.held
    _journal(world, order)
    matching.close(world, market, order, CANCELLED)


def _reduce(world: World, market: Market, order: Order, quantity: Decimal) -> None:
    if quantity == order.remaining:
        _cancel(world, market, order)
        return
    freed = floor_to(order.held * quantity / order.remaining, EIGHT_PLACES)
    asset = market.quote if order.side == BUY else market.base
    world.move(asset, freed, f"{order.venue}.locked", f"{order.venue}.free")
    order.held -= freed
    order.prevented_quantity += quantity
    order.prevented_locked += freed
    _journal(world, order)


def _journal(world: World, order: Order) -> None:
    world.fact(
        "order_prevented",
        venue=order.venue,
        venue_order_id=order.venue_order_id,
        quantity=plain(order.prevented_quantity),
    )
