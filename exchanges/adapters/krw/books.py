"""Market codes, books, prices and balances, which the Korean venues write alike. Pure.

Fields may be quoted numbers, bare numbers, null or absent; unknown ones are ignored.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from exchanges.transport.decoding import UnreadableError, from_milliseconds, or_zero, required
from exchanges.transport.reading import decode
from exchanges.values import Balance, Book, Level, Market


def market_code(market: Market) -> str:
    """Give the venues' code: quote first."""
    return f"{market.quote}-{market.base}"


def market_of(code: str) -> Market:
    """Read the venues' code."""
    quote, dash, base = code.partition("-")
    if not (quote and dash and base):
        raise UnreadableError("not a market code")
    return Market(base, quote)


class _BookUnit(msgspec.Struct):
    ask_price: Decimal
    bid_price: Decimal
    ask_size: Decimal
    bid_size: Decimal


class _Book(msgspec.Struct):
    market: str
    orderbook_units: list[_BookUnit]
    timestamp: int | None = None


def book(body: bytes, venue: str, market: Market, *, depth: int, received_at: datetime) -> Book:
    """Read an order book; levels without price or size are left out."""
    books = decode(body, list[_Book])
    found = next((item for item in books if item.market == market_code(market)), None)
    if found is None:
        raise UnreadableError("the market is not in the reply")
    units = found.orderbook_units
    return Book(
        venue=venue,
        market=market,
        bids=_levels([(unit.bid_price, unit.bid_size) for unit in units], depth),
        asks=_levels([(unit.ask_price, unit.ask_size) for unit in units], depth),
        venue_at=from_milliseconds(found.timestamp),
        received_at=received_at,
    )


def _levels(rows: list[tuple[Decimal, Decimal]], depth: int) -> tuple[Level, ...]:
    levels = [Level(required(price, "price"), required(size, "size")) for price, size in rows]
    return tuple(level for level in levels if level.price > 0 and level.quantity > 0)[:depth]


class _Ticker(msgspec.Struct):
    market: str
    trade_price: Decimal


def price(body: bytes, market: Market) -> Decimal:
    """Read a market's last price."""
    for row in decode(body, list[_Ticker]):
        if row.market == market_code(market):
            return required(row.trade_price, "trade_price")
    raise UnreadableError("no price for the market")


class _Account(msgspec.Struct):
    currency: str
    balance: Decimal | None = None
    locked: Decimal | None = None


def balances(body: bytes) -> dict[str, Balance]:
    """Read the accounts; `balance` is what is free, `locked` comes besides."""
    return {
        row.currency: Balance(
            asset=row.currency,
            free=or_zero(row.balance, "balance"),
            locked=or_zero(row.locked, "locked"),
        )
        for row in decode(body, list[_Account])
    }
