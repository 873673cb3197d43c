"""Order books: as recorded where a recording of books is played, else around the recorded price.

Around a price, depth is generated from the seed; a book says where it is from.

A book is a function of (seed, market, tick number), so reading it changes nothing; what orders
took from it stays taken until the next tick. A pinned book (control API) stays until unpinned.
Whatever changes a book makes its update id grow, so that readers and streams can be put in order.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from decimal import Decimal

from exchanges.simulator.core.basis import basis
from exchanges.simulator.core.catalog import NEW_STEPS_FROM_MS, Market, krw_price_step
from exchanges.simulator.core.numbers import ceil_to, floor_to
from exchanges.simulator.core.prices import USDT, Tape
from exchanges.simulator.core.swings import USUAL, Shaping, swing
from exchanges.simulator.core.values import BITHUMB, UPBIT

LEVELS = 30
HALF_SPREAD = Decimal("0.00005")
SPACING = Decimal("0.0001")
_GRAIN = Decimal(128)
_OLD_USDT_STEP = Decimal("0.5")
_NEVER = -1

GENERATED, RECORDED, LIVE, SET = "generated", "recorded", "live", "set"
Rows = list[tuple[Decimal, Decimal]]


@dataclass(slots=True)
class Level:
    """One price with what is left at it."""

    price: Decimal
    quantity: Decimal


@dataclass(slots=True)
class Book:
    """Bids (dearest first) and asks (cheapest first) of one market at one tick.

    `origin`: generated around a price, recorded, live at a venue, or set by the control API.
    """

    tick: int
    price: Decimal
    bids: list[Level]
    asks: list[Level]
    is_pinned: bool = False
    update_id: int = 1
    origin: str = GENERATED

    def touch(self) -> None:
        """Note that the levels have changed."""
        self.update_id += 1


@dataclass(slots=True)
class Books:
    """The current book of each market, made when first looked at in a tick."""

    seed: int
    tick_ms: int = 1000
    current: dict[tuple[str, str], Book] = field(default_factory=dict)

    def of(self, tape: Tape, market: Market, market_ms: int, shaping: Shaping = USUAL) -> Book:
        """Return the book of a market at a market instant."""
        key = (market.venue, market.symbol)
        tick = market_ms // self.tick_ms
        book = self.current.get(key)
        if book is None or (book.tick != tick and not book.is_pinned):
            book = self._make(tape, market, tick, shaping)
            self.put(market, book)
        return book

    def put(self, market: Market, book: Book) -> None:
        """Let this be the market's book; its update id is above that of the one it replaces."""
        key = (market.venue, market.symbol)
        before = self.current.get(key)
        book.update_id = max(book.update_id, before.update_id + 1 if before is not None else 0)
        self.current[key] = book

    def unpin(self, market: Market) -> None:
        """Let the market's book be made anew when next looked at."""
        book = self.current.get((market.venue, market.symbol))
        if book is not None:
            book.is_pinned, book.tick = False, _NEVER

    def price(
        self, tape: Tape, venue: str, asset: str, market_ms: int, shaping: Shaping = USUAL
    ) -> Decimal:
        """Return a venue's price: as recorded, else Upbit's with a generated basis (Bithumb).

        The scenario's swings come on top of candles, not of recorded books.
        """
        if venue != BITHUMB or tape.has_recorded(venue, asset):
            price = tape.price(venue, asset, market_ms)
        else:
            share = basis(self.seed, venue, asset, market_ms)
            price = tape.price(UPBIT, asset, market_ms) * (1 + share)
        if tape.has_books or not shaping.swing_bps:
            return price
        return price * (1 + swing(self.seed, venue, asset, market_ms, shaping))

    def _make(self, tape: Tape, market: Market, tick: int, shaping: Shaping) -> Book:
        at_ms = tick * self.tick_ms
        asset = market.base
        recorded = tape.book_at(market.venue, asset, at_ms)
        if recorded is not None:
            return _as_recorded(recorded, market, tick, at_ms, tape.recorded_ms(at_ms))
        price = self.price(tape, market.venue, asset, at_ms, shaping)
        step = price_step(market, price, tape.recorded_ms(at_ms))
        noise = hashlib.sha512(f"{self.seed}:{market.venue}:{asset}:{tick}".encode()).digest()
        half = price * HALF_SPREAD * shaping.spread_times
        bid, ask = _top(price, step, half, pushes_up=noise[63] > 127)
        scale = level_notional(tape, market, at_ms, price) * shaping.depth_times
        gap = max(step, floor_to(price * SPACING * shaping.spread_times, step))
        return Book(
            tick=tick,
            price=floor_to(price, step),
            bids=_ladder(bid, -gap, noise[:LEVELS], scale, market.quantity_step),
            asks=_ladder(ask, gap, noise[LEVELS : 2 * LEVELS], scale, market.quantity_step),
            update_id=at_ms + 1,
        )


def _as_recorded(
    sides: tuple[Rows, Rows], market: Market, tick: int, at_ms: int, recorded_ms: int
) -> Book:
    bids, asks = ([Level(price, quantity) for price, quantity in rows] for rows in sides)
    middle = (bids[0].price + asks[0].price) / 2
    price = floor_to(middle, price_step(market, middle, recorded_ms))
    return Book(tick, price, bids, asks, update_id=at_ms + 1, origin=RECORDED)


def level_notional(tape: Tape, market: Market, market_ms: int, price: Decimal) -> Decimal:
    """Return the mean notional of a generated level, in the quote asset."""
    if market.quote == USDT:
        return market.depth_usdt
    rate = price if market.base == USDT else tape.krw_per_usdt(market_ms)
    return market.depth_usdt * rate


def price_step(market: Market, price: Decimal, recorded_ms: int) -> Decimal:
    """Return the market's price step at a price."""
    if market.price_step is not None:
        return market.price_step
    if (market.venue, market.base) == (UPBIT, USDT) and recorded_ms < NEW_STEPS_FROM_MS:
        return _OLD_USDT_STEP
    return krw_price_step(market.venue, price, recorded_ms)


def _top(
    price: Decimal, step: Decimal, half: Decimal, *, pushes_up: bool
) -> tuple[Decimal, Decimal]:
    bid, ask = floor_to(price - half, step), ceil_to(price + half, step)
    if ask - bid > step > half:
        # A coarse step: the recorded price is one side of a one-step spread, by chance.
        bid, ask = (bid + step, ask) if pushes_up else (bid, ask - step)
    return max(bid, step), max(ask, step * 2)


def _ladder(
    top: Decimal, gap: Decimal, noise: bytes, scale: Decimal, quantity_step: Decimal
) -> list[Level]:
    levels = []
    for index, grain in enumerate(noise):
        price = top + gap * index
        if price <= 0:
            break
        notional = scale * (64 + grain) * (4 + index) / (_GRAIN * 8)
        levels.append(Level(price, floor_to(notional / price, quantity_step)))
    return levels


def ladder_from(rows: list[tuple[Decimal, Decimal]], *, is_bid: bool) -> list[Level]:
    """Build one side of a pinned book."""
    return [Level(price, quantity) for price, quantity in sorted(rows, reverse=is_bid)]
