"""What the venues show at this instant, each thing worked out once however many look at it."""

from __future__ import annotations

import hashlib
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

from exchanges.simulator.core.books import Book, Level
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.numbers import fixed8, floor_to
from exchanges.simulator.core.orders import BUY
from exchanges.simulator.core.streams.hearing import Happening
from exchanges.simulator.core.world import World

if TYPE_CHECKING:
    from exchanges.simulator.core.simulator import Simulator

PRINTS_KEPT = 200
Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The filled levels of a book, spelled with eight decimals."""

    update_id: int
    bids: Rows
    asks: Rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Print:
    """One public trade: an account's fill, or one generated from the seed with each tick."""

    number: int
    price: Decimal
    quantity: Decimal
    is_buy: bool
    at_ms: int


@dataclass(slots=True)
class Prints:
    """The public trades of a market, youngest last, and the tick whose trade is among them."""

    tick: int
    rows: deque[Print] = field(default_factory=lambda: deque(maxlen=PRINTS_KEPT))
    total: int = 0

    def add(self, row: Print) -> None:
        """Note a trade."""
        self.rows.append(row)
        self.total += 1

    def since(self, total: int) -> list[Print]:
        """Return the trades after the first `total`."""
        missing = min(self.total - total, len(self.rows))
        return list(self.rows)[len(self.rows) - missing :] if missing else []


class Board:
    """Looks at the world for all channels; reading it changes nothing in the world."""

    def __init__(self, simulator: Simulator) -> None:
        """Begin with an empty memory."""
        self.simulator = simulator
        self.levels: dict[tuple[str, str], Shown] = {}
        self.prints: dict[tuple[str, str], Prints] = {}

    @property
    def world(self) -> World:
        """The present world."""
        return self.simulator.world

    def clear(self) -> None:
        """Forget what belonged to another world."""
        self.levels.clear()
        self.prints.clear()

    def shown(self, market: Market) -> Shown:
        """Return a market's levels as Binance spells them."""
        key, book = (market.venue, market.symbol), self.world.book(market)
        known = self.levels.get(key)
        if known is None or known.update_id != book.update_id:
            known = Shown(
                update_id=book.update_id, bids=_spelled(book.bids), asks=_spelled(book.asks)
            )
            self.levels[key] = known
        return known

    def trades(self, market: Market) -> Prints:
        """Return a market's trades up to now; looking at them first makes them begin."""
        key, book = (market.venue, market.symbol), self.world.book(market)
        prints = self.prints.get(key)
        if prints is None:
            prints = self.prints[key] = Prints(book.tick)
            prints.add(generated(self.world, market, book))
        if prints.tick != book.tick:
            prints.tick = book.tick
            prints.add(generated(self.world, market, book))
        return prints

    def note_fill(self, happening: Happening) -> None:
        """Let an account's fill be seen by everybody."""
        order, fill = happening.order, happening.fill
        if order is None or fill is None:
            return
        prints = self.prints.get((happening.venue, order.symbol))
        if prints is not None:
            same = sum(row.at_ms == happening.at_ms for row in prints.rows)
            row = Print(
                number=happening.at_ms * 1000 + same + 1,
                price=fill.price,
                quantity=fill.quantity,
                is_buy=(order.side == BUY) != fill.is_maker,  # the taker's side
                at_ms=happening.at_ms,
            )
            prints.add(row)


def _spelled(levels: list[Level]) -> Rows:
    return tuple((fixed8(row.price), fixed8(row.quantity)) for row in levels if row.quantity > 0)


def generated(world: World, market: Market, book: Book) -> Print:
    """Make the trade that comes with a tick, at the recorded price."""
    text = f"print:{world.seed}:{market.venue}:{market.base}:{book.tick}"
    noise = hashlib.sha256(text.encode()).digest()
    at_ms = world.timeline.wall_at(max(0, book.tick) * world.books.tick_ms)
    quantity = market.depth_usdt * (1 + noise[1]) / 4096
    if market.quote == "KRW" and market.base != "USDT":
        quantity = quantity * world.recording.krw_per_usdt(world.market_ms)
    elif market.quote == "KRW":
        quantity = quantity * book.price
    floored = floor_to(quantity / book.price, market.quantity_step)
    return Print(
        number=at_ms * 1000,
        price=book.price,
        quantity=max(floored, market.quantity_step),
        is_buy=bool(noise[0] & 1),
        at_ms=at_ms,
    )
