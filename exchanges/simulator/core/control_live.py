"""Live books: what the venues' public feeds show, brought in as inputs like any other.

Each is journalled with a digest and, with a state file, logged before anything else happens, so that the same
seed and the same inputs, live books among them, give the same history. Where a venue's feed has no
book, neither has the simulated one.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core import matching
from exchanges.simulator.core.books import LIVE, Book, Level
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.numbers import plain
from exchanges.simulator.core.world import World

if TYPE_CHECKING:
    from exchanges.simulator.core.simulator import Simulator

Spec = dict[str, object]


def steer(simulator: Simulator, spec: Spec) -> object:
    """Switch live books on (no market has one then) or off again, or take one market's."""
    world = simulator.world
    if "on" in spec:
        switch(world, is_on=bool(spec["on"]))
        return {"live": world.is_live}
    market = world.markets[str(spec["venue"]), str(spec["symbol"])]
    bids, asks = _levels(spec["bids"]), _levels(spec["asks"])
    _put(world, market, bids, asks)
    world.fact(
        "book_live",
        venue=market.venue,
        symbol=market.symbol,
        bid=plain(bids[0].price) if bids else None,
        ask=plain(asks[0].price) if asks else None,
        digest=_digest(bids, asks),
    )
    matching.match_resting(world, market)
    return {"venue": market.venue, "symbol": market.symbol}


def switch(world: World, *, is_on: bool) -> None:
    """Begin without books, or go back to those of the stretch."""
    world.is_live = is_on
    for market in world.markets.values():
        if is_on:
            _put(world, market, [], [])
        else:
            world.books.unpin(market)
    world.fact("live_books", on=is_on)


def _levels(rows: object) -> list[Level]:
    if not isinstance(rows, list):
        raise TypeError("bids and asks are lists of [price, quantity], best first")
    return [Level(Decimal(str(row[0])), Decimal(str(row[1]))) for row in rows]


def _put(world: World, market: Market, bids: list[Level], asks: list[Level]) -> None:
    price = world.book(market).price
    if bids and asks:
        middle = (bids[0].price + asks[0].price) / 2
        step = world.price_step(market, middle)
        price = middle // step * step
    tick = world.market_ms // world.books.tick_ms
    world.books.put(market, Book(tick, price, bids, asks, is_pinned=True, origin=LIVE))


def _digest(bids: list[Level], asks: list[Level]) -> str:
    text = ";".join(f"{row.price}:{row.quantity}" for row in (*bids, *asks))
    return hashlib.sha256(text.encode()).hexdigest()[:16]
