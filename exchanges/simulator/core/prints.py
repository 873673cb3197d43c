"""Public trades: what the account executed, and one generated trade of others a tick.

Like a generated book, a generated trade is a function of (seed, market, tick number).
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from heapq import merge
from typing import TYPE_CHECKING

from exchanges.simulator.core.books import level_notional, price_step
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.numbers import floor_to
from exchanges.simulator.core.orders import BUY, Fill, Order

if TYPE_CHECKING:
    from exchanges.simulator.core.world import World

KEPT = 1000
_NUMBERS_FROM = 500_000_000_000
_NUMBERS_A_MS = 1000
_GRAIN = Decimal(256)


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """One public trade; `is_buy` tells the taker's side, `at_ms` is wall time.

    Numbers grow with market time: that of a tick's generated trade, then those of the account.
    """

    number: int
    price: Decimal
    quantity: Decimal
    is_buy: bool
    at_ms: int


@dataclass(slots=True)
class Prints:
    """The account's own executions as everybody saw them, the latest of each market."""

    own: dict[tuple[str, str], deque[Print]]

    def add(self, market: Market, trade: Print) -> None:
        """Note an execution of the account."""
        key = (market.venue, market.symbol)
        if key not in self.own:
            self.own[key] = deque(maxlen=KEPT)
        self.own[key].append(trade)

    def next_number(self, market: Market, market_ms: int) -> int:
        """Return the number of the account's next execution, in the tick that began then."""
        kept = self.own.get((market.venue, market.symbol))
        last = kept[-1].number if kept else 0
        return max(last, number_at(market_ms)) + 1


def number_at(market_ms: int) -> int:
    """Return the number of the trade that is generated with the tick of a market instant."""
    return _NUMBERS_FROM + market_ms * _NUMBERS_A_MS


def of_fill(order: Order, fill: Fill) -> Print:
    """Return an execution of the account as everybody sees it."""
    return Print(
        number=fill.number,
        price=fill.price,
        quantity=fill.quantity,
        is_buy=(order.side == BUY) != fill.is_maker,
        at_ms=fill.at_ms,
    )


def at_tick(world: World, market: Market, tick: int) -> Print:
    """Return the trade of others in a tick."""
    market_ms = tick * world.books.tick_ms
    tape = world.recording
    price = world.price(market.venue, market.base, market_ms)
    step = price_step(market, price, tape.recorded_ms(market_ms))
    key = f"print:{world.seed}:{market.venue}:{market.symbol}:{tick}"
    noise = hashlib.sha256(key.encode()).digest()
    notional = level_notional(tape, market, market_ms, price) * (1 + noise[0]) / _GRAIN
    quantity = floor_to(notional / price, market.quantity_step)
    return Print(
        number=number_at(market_ms),
        price=max(floor_to(price, step), step),
        quantity=max(quantity, market.quantity_step),
        is_buy=noise[1] > 127,
        at_ms=world.timeline.wall_before(market_ms),
    )


def newest_first(world: World, market: Market, *, before_ms: int | None = None) -> Iterator[Print]:
    """Walk back through the public trades of a market from a wall instant or now, without end."""
    before_ms = world.wall_ms + 1 if before_ms is None else min(before_ms, world.wall_ms + 1)
    kept = reversed(world.prints.own.get((market.venue, market.symbol), ()))
    own = (trade for trade in kept if trade.at_ms < before_ms)
    others = _of_others(world, market, before_ms)
    return merge(own, others, key=lambda trade: trade.at_ms, reverse=True)


def oldest_first(world: World, market: Market, from_ms: int) -> Iterator[Print]:
    """Walk through the public trades of a market from a wall instant until now."""
    kept = world.prints.own.get((market.venue, market.symbol), ())
    own = (trade for trade in kept if trade.at_ms >= from_ms)
    tick_ms = world.books.tick_ms
    first = -(-world.timeline.market_before(from_ms) // tick_ms)
    ticks = range(first, world.market_ms // tick_ms + 1)
    others = (at_tick(world, market, tick) for tick in ticks)
    return merge(own, others, key=lambda trade: trade.at_ms)


def tick_instant(world: World, number: int) -> int:
    """Return the wall instant at which the tick of a trade's number began."""
    return world.timeline.wall_before((number - _NUMBERS_FROM) // _NUMBERS_A_MS)


def _of_others(world: World, market: Market, before_ms: int) -> Iterator[Print]:
    tick = world.timeline.market_before(before_ms - 1) // world.books.tick_ms
    while True:
        yield at_tick(world, market, tick)
        tick -= 1
