"""Small books and rules for pure tests, written as pairs of price and quantity."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from exchanges.values import Book, Level, Market, MarketRules, NetworkRules

THEN = datetime(2024, 12, 3, 12, tzinfo=UTC)
Rows = tuple[tuple[str, str], ...]


def levels(rows: Rows) -> tuple[Level, ...]:
    """Give levels from pairs."""
    return tuple(Level(Decimal(price), Decimal(quantity)) for price, quantity in rows)


def book(
    base: str, quote: str, *, bids: Rows = (), asks: Rows = (), venue: str = "binance"
) -> Book:
    """Give a book, best levels first as written."""
    return Book(
        venue=venue,
        market=Market(base, quote),
        bids=levels(bids),
        asks=levels(asks),
        venue_at=None,
        received_at=THEN,
    )


def market_rules(
    base: str = "XRP",
    quote: str = "USDT",
    *,
    price_step: str = "0.01",
    quantity_step: str = "0.1",
    **changes: Any,
) -> MarketRules:
    """Give Binance-like rules: the buyer's fee comes out of what is received."""
    facts: dict[str, Any] = {
        "venue": "binance",
        "market": Market(base, quote),
        "price_steps": ((Decimal(0), Decimal(price_step)),),
        "quantity_step": Decimal(quantity_step),
        "minimum_notional": Decimal(5),
        "taker_fee_rate": Decimal("0.001"),
        "buy_fee_in_quote": False,
        "is_open": True,
        "fetched_at": THEN,
    }
    return MarketRules(**(facts | changes))


def network_rules(*, fee: str = "0.2", minimum: str = "2", step: str = "0.000001") -> NetworkRules:
    """Give the rules of one network."""
    return NetworkRules(
        venue="binance",
        asset="XRP",
        network="XRP",
        withdraw_is_open=True,
        deposit_is_open=True,
        withdraw_fee=Decimal(fee),
        withdraw_minimum=Decimal(minimum),
        withdraw_step=Decimal(step),
        memo_is_required=True,
        confirmations=3,
        fetched_at=THEN,
    )
