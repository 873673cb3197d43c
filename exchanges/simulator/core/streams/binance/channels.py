"""Binance's market streams: best prices, whole tops of books, and differences with their ids."""

from __future__ import annotations

import re
from decimal import Decimal

from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.numbers import fixed8
from exchanges.simulator.core.prints import Print
from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.streams.board import Board, Rows, Shown
from exchanges.simulator.core.streams.channel import Channel
from exchanges.simulator.core.streams.frames import Frame
from exchanges.simulator.core.values import BINANCE
from exchanges.simulator.core.world import World

Event = dict[str, object]

_NAME = re.compile(
    r"([A-Za-z0-9]+)@(bookTicker|trade|aggTrade|ticker|miniTicker"
    r"|depth(?:5|10|20)?(?:@100ms|@1000ms)?)"
)
_NOTHING = fixed8(Decimal(0))
_FAST_MS, _SLOW_MS = 100, 1000


def is_stream(name: str) -> bool:
    """Say whether the venue would take this for a stream's name."""
    return _NAME.fullmatch(name) is not None


def channel_of(world: World, name: str) -> Channel | None:
    """Return a new channel of that name; None where there is nothing to tell, as in capitals."""
    found = _NAME.fullmatch(name)
    if found is None or found[1] != found[1].lower():
        return None
    market = world.markets.get((BINANCE, found[1].upper()))
    if market is None:
        return None
    kind = found[2]
    if kind.startswith("depth"):
        return _depth_channel(name, market, kind)
    if kind in {"trade", "aggTrade"}:
        return Trades(name, market, kind)
    return BookTicker(name, market) if kind == "bookTicker" else Ticker(name, market, kind)


def _depth_channel(name: str, market: Market, kind: str) -> Channel:
    levels, _, pace = kind.removeprefix("depth").partition("@")
    every_ms = _FAST_MS if pace == "100ms" else _SLOW_MS
    if levels:
        return PartialDepth(name, market, every_ms, int(levels))
    return DiffDepth(name, market, every_ms)


class MarketChannel(Channel):
    """A stream of one market that has news when its book has changed."""

    def __init__(self, name: str, market: Market, every_ms: int) -> None:
        """Begin."""
        super().__init__(BINANCE, name, every_ms)
        self.key = (market.venue, market.symbol)
        self.seen = 0

    def market(self, board: Board) -> Market:
        """Return its market."""
        return board.world.markets[self.key]

    def begin(self, board: Board) -> None:
        """Take the present as known."""
        self.seen = board.world.book(self.market(board)).update_id

    def news(self, board: Board) -> list[Frame]:
        """Return an event if the book has changed."""
        shown = board.shown(self.market(board))
        if shown.update_id == self.seen:
            return []
        event = self.event(board, shown)
        if event is None:
            return []
        self.seen = shown.update_id
        return [frames.text(event)]

    def event(self, board: Board, shown: Shown) -> Event | None:
        """Return what the book's change is to this stream; None if nothing."""
        raise NotImplementedError


class BookTicker(MarketChannel):
    """The best bid and ask."""

    def __init__(self, name: str, market: Market) -> None:
        """Begin."""
        super().__init__(name, market, _FAST_MS)
        self.best: tuple[Rows, Rows] = ((), ())

    def begin(self, board: Board) -> None:
        """Take the present as known."""
        super().begin(board)
        shown = board.shown(self.market(board))
        self.best = (shown.bids[:1], shown.asks[:1])

    def event(self, board: Board, shown: Shown) -> Event | None:
        """Return the best prices, if they or their quantities are new."""
        best = (shown.bids[:1], shown.asks[:1])
        if best == self.best:
            return None
        self.best = best
        bid, ask = _first(shown.bids), _first(shown.asks)
        return {
            "u": shown.update_id,
            "s": self.market(board).symbol,
            "b": bid[0],
            "B": bid[1],
            "a": ask[0],
            "A": ask[1],
        }


def _first(rows: Rows) -> tuple[str, str]:
    return rows[0] if rows else (_NOTHING, _NOTHING)


class PartialDepth(MarketChannel):
    """The top of the book, whole."""

    def __init__(self, name: str, market: Market, every_ms: int, levels: int) -> None:
        """Begin."""
        super().__init__(name, market, every_ms)
        self.levels = levels

    def event(self, board: Board, shown: Shown) -> Event | None:
        """Return the top."""
        del board
        return {
            "lastUpdateId": shown.update_id,
            "bids": shown.bids[: self.levels],
            "asks": shown.asks[: self.levels],
        }


class DiffDepth(MarketChannel):
    """What changed in the book, from the id after the last event's to the present one."""

    def __init__(self, name: str, market: Market, every_ms: int) -> None:
        """Begin."""
        super().__init__(name, market, every_ms)
        self.bids: dict[str, str] = {}
        self.asks: dict[str, str] = {}

    def begin(self, board: Board) -> None:
        """Take the present as known: a client fetches it by REST after it has subscribed."""
        super().begin(board)
        shown = board.shown(self.market(board))
        self.bids, self.asks = dict(shown.bids), dict(shown.asks)

    def event(self, board: Board, shown: Shown) -> Event | None:
        """Return the changed levels, those that are gone with zero; None if it looks the same."""
        bids, asks = _changed(self.bids, shown.bids), _changed(self.asks, shown.asks)
        if not bids and not asks:
            return None
        self.bids, self.asks = dict(shown.bids), dict(shown.asks)
        return {
            "e": "depthUpdate",
            "E": board.world.venue_ms(BINANCE),
            "s": self.market(board).symbol,
            "U": self.seen + 1,
            "u": shown.update_id,
            "b": bids,
            "a": asks,
        }


def _changed(before: dict[str, str], rows: Rows) -> list[tuple[str, str]]:
    changed = [row for row in rows if before.get(row[0]) != row[1]]
    present = {price for price, _ in rows}
    return changed + [(price, _NOTHING) for price in before if price not in present]


class Ticker(MarketChannel):
    """The day's figures, `ticker` or `miniTicker`; all but the last price is derived from it."""

    def __init__(self, name: str, market: Market, kind: str) -> None:
        """Begin."""
        super().__init__(name, market, _SLOW_MS)
        self.is_mini = kind == "miniTicker"

    def event(self, board: Board, shown: Shown) -> Event | None:
        """Return the ticker."""
        world, market = board.world, self.market(board)
        price, now_ms = fixed8(world.book(market).price), world.venue_ms(BINANCE)
        figures: Event = {"c": price, "o": price, "h": price, "l": price}
        volumes: Event = {"v": _NOTHING, "q": _NOTHING}
        if self.is_mini:
            head: Event = {"e": "24hrMiniTicker", "E": now_ms, "s": market.symbol}
            return head | figures | volumes
        bid, ask = _first(shown.bids), _first(shown.asks)
        head = {"e": "24hrTicker", "E": now_ms, "s": market.symbol}
        changes: Event = {"p": _NOTHING, "P": "0.000", "w": price, "x": price, "Q": _NOTHING}
        best: Event = {"b": bid[0], "B": bid[1], "a": ask[0], "A": ask[1]}
        span: Event = {"O": now_ms - 86_400_000, "C": now_ms, "F": 0, "L": 0, "n": 0}
        return head | changes | best | figures | volumes | span


class Trades(Channel):
    """Public trades one by one."""

    def __init__(self, name: str, market: Market, kind: str) -> None:
        """Begin."""
        super().__init__(BINANCE, name, _FAST_MS)
        self.key, self.kind = (market.venue, market.symbol), kind
        self.total = 0

    def begin(self, board: Board) -> None:
        """Take the present as known."""
        self.total = board.trades(board.world.markets[self.key]).total

    def news(self, board: Board) -> list[Frame]:
        """Return the trades since the last look."""
        prints = board.trades(board.world.markets[self.key])
        rows, self.total = prints.since(self.total), prints.total
        return [frames.text(self._event(board.world, row)) for row in rows]

    def _event(self, world: World, row: Print) -> Event:
        is_single = self.kind == "trade"
        ids: Event = {"t": row.number} if is_single else {"a": row.number}
        event: Event = {
            "e": self.kind,
            "E": world.venue_ms(BINANCE),
            "s": self.key[1],
            **ids,
            "p": fixed8(row.price),
            "q": fixed8(row.quantity),
        }
        ends: Event = {} if is_single else {"f": row.number, "l": row.number}
        return event | ends | {"T": row.at_ms, "m": not row.is_buy, "M": True}
