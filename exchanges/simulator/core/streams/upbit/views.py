"""What the public streams show: the REST quotations under the names of the WebSocket."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from exchanges.simulator.core.books import Level
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.krw.quotation import book_view, ticker_view
from exchanges.simulator.core.numbers import ZERO
from exchanges.simulator.core.prints import Print
from exchanges.simulator.core.world import World

SNAPSHOT = "SNAPSHOT"
REALTIME = "REALTIME"
Message = dict[str, object]


def ticker(world: World, market: Market, stream_type: str) -> Message:
    """Return the ticker that REST shows, with what only the stream has."""
    shown = ticker_view(world, market)
    for name in ("market", "trade_date_kst", "trade_time_kst"):
        shown.pop(name)
    return {
        "type": "ticker",
        "code": market.symbol,
        **shown,
        "ask_bid": "BID",
        "acc_ask_volume": ZERO,
        "acc_bid_volume": ZERO,
        "market_state": "ACTIVE" if market.is_open else "DELISTED",
        "is_trading_suspended": bool(world.maintenance.get(market.venue)),
        "delisting_date": None,
        "market_warning": "NONE",
        "stream_type": stream_type,
    }


def orderbook(
    world: World, market: Market, units: int, level: Decimal, stream_type: str
) -> Message:
    """Return the book that REST shows, of so many units and in such steps."""
    shown = book_view(world, market, units, level)
    shown.pop("market")
    return {"type": "orderbook", "code": market.symbol, **shown, "stream_type": stream_type}


def trade(world: World, market: Market, row: Print, stream_type: str) -> Message:
    """Return one public trade beside the best of the book."""
    at = datetime.fromtimestamp(row.at_ms // 1000, tz=UTC)
    book = world.book(market)
    ask, bid = _best(book.asks), _best(book.bids)
    return {
        "type": "trade",
        "code": market.symbol,
        "timestamp": world.wall_ms,
        "trade_date": f"{at:%Y-%m-%d}",
        "trade_time": f"{at:%H:%M:%S}",
        "trade_timestamp": row.at_ms,
        "trade_price": row.price,
        "trade_volume": row.quantity,
        "ask_bid": "BID" if row.is_buy else "ASK",
        "prev_closing_price": row.price,
        "change": "EVEN",
        "change_price": ZERO,
        "sequential_id": row.number,
        "best_ask_price": ask.price,
        "best_ask_size": ask.quantity,
        "best_bid_price": bid.price,
        "best_bid_size": bid.quantity,
        "stream_type": stream_type,
    }


def _best(levels: list[Level]) -> Level:
    return next((level for level in levels if level.quantity > 0), Level(ZERO, ZERO))
