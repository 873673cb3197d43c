"""A venue that never errs, and its frames: what it truly showed at each number or stamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from exchanges.feeds.states import State
from exchanges.values import Book, Level, Market

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
NOW_MS = int(NOW.timestamp()) * 1000
OLDEST = timedelta(seconds=15)
WON = Market("XRP", "KRW")
DOLLAR = Market("XRP", "USDT")
DEPTH = 5

Rows = Sequence[tuple[str, str]]


def levels(rows: Rows) -> tuple[Level, ...]:
    """Give levels from pairs of texts."""
    return tuple(Level(Decimal(price), Decimal(size)) for price, size in rows)


def sides(state: State) -> tuple[tuple[Level, ...], tuple[Level, ...]]:
    """Give both sides of a book that must be there."""
    assert isinstance(state, Book), state
    return tuple(state.bids), tuple(state.asks)


def whole_frame(
    bids: Rows,
    asks: Rows,
    *,
    code: str = "KRW-XRP",
    stamp: Any = NOW_MS,
    stream_type: str = "REALTIME",
    **extra: Any,
) -> bytes:
    """Write a frame as Upbit does: bare numbers, both sides in one list."""
    units = [
        {
            "ask_price": msgspec.Raw(ask[0].encode()),
            "bid_price": msgspec.Raw(bid[0].encode()),
            "ask_size": msgspec.Raw(ask[1].encode()),
            "bid_size": msgspec.Raw(bid[1].encode()),
        }
        for bid, ask in zip(bids, asks, strict=True)
    ]
    frame = {
        "type": "orderbook",
        "code": code,
        "timestamp": stamp,
        "total_ask_size": 1.5,
        "total_bid_size": 2.5,
        "orderbook_units": units,
        "stream_type": stream_type,
    }
    return msgspec.json.encode(frame | extra)


def diff_frame(
    first: int,
    last: int,
    bids: Rows = (),
    asks: Rows = (),
    *,
    symbol: str = "XRPUSDT",
    stamp: int = NOW_MS,
) -> bytes:
    """Write a frame of changes as Binance does."""
    frame = {"e": "depthUpdate", "E": stamp, "s": symbol, "U": first, "u": last}
    return msgspec.json.encode(frame | {"b": list(bids), "a": list(asks)})


def read_book(
    bids: Rows,
    asks: Rows,
    *,
    market: Market = DOLLAR,
    update_id: int | None = None,
    stamp: int | None = None,
    at: datetime = NOW,
) -> Book:
    """Give a book as an adapter reads it by request."""
    venue_at = None if stamp is None else datetime.fromtimestamp(stamp / 1000, UTC)
    return Book(
        venue="binance" if market == DOLLAR else "upbit",
        market=market,
        bids=levels(bids),
        asks=levels(asks),
        venue_at=venue_at,
        received_at=at,
        update_id=update_id,
    )


@dataclass
class TrueBook:
    """A book with a past: after each numbered change it is known what it was."""

    bids: dict[str, str] = field(default_factory=lambda: {f"{99 - n}.0": "5" for n in range(9)})
    asks: dict[str, str] = field(default_factory=lambda: {f"{101 + n}.0": "5" for n in range(9)})
    past: list[tuple[Rows, Rows]] = field(default_factory=list)
    changes: list[tuple[bool, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.past.append(self.now())

    def now(self) -> tuple[Rows, Rows]:
        """Give both sides, best first."""
        bids = sorted(self.bids.items(), key=lambda row: -Decimal(row[0]))
        asks = sorted(self.asks.items(), key=lambda row: Decimal(row[0]))
        return tuple(bids), tuple(asks)

    def change(self, *, is_bid: bool, price: str, size: str) -> None:
        """Set one level; a change that would cross the book or empty a side does not happen."""
        side = self.bids if is_bid else self.asks
        before = dict(side)
        side[price] = size
        if Decimal(size) == 0:
            del side[price]
        bids, asks = self.now()
        if not bids or not asks or Decimal(bids[0][0]) >= Decimal(asks[0][0]):
            side.clear()
            side.update(before)
            return
        self.changes.append((is_bid, price, size))
        self.past.append(self.now())

    def frame(self, first: int, last: int) -> bytes:
        """Write the changes numbered `first` to `last`, the newest size of each price."""
        rows: tuple[dict[str, str], dict[str, str]] = ({}, {})
        for is_bid, price, size in self.changes[first - 1 : last]:
            rows[0 if is_bid else 1][price] = size
        return diff_frame(first, last, tuple(rows[0].items()), tuple(rows[1].items()))

    def read(self, number: int, *, depth: int) -> Book:
        """Read the book as it was after a change, as deep as asked."""
        bids, asks = self.past[number]
        return read_book(bids[:depth], asks[:depth], update_id=number)
