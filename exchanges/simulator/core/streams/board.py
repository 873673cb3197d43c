"""What the venues show at this instant, each thing worked out once however many look at it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from exchanges.simulator.core.books import Level
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.numbers import fixed8
from exchanges.simulator.core.prints import Print, at_tick, of_fill
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
            prints.add(at_tick(self.world, market, book.tick))
        if prints.tick != book.tick:
            prints.tick = book.tick
            prints.add(at_tick(self.world, market, book.tick))
        return prints

    def note_fill(self, happening: Happening) -> None:
        """Let an account's fill be seen by everybody."""
        order, fill = happening.order, happening.fill
        if order is None or fill is None:
            return
        prints = self.prints.get((happening.venue, order.symbol))
        if prints is not None:
            prints.add(of_fill(order, fill))


def _spelled(levels: list[Level]) -> Rows:
    return tuple((fixed8(row.price), fixed8(row.quantity)) for row in levels if row.quantity > 0)
