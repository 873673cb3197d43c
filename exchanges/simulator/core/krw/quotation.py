"""Public market data of the Korean venues: JSON numbers, and integer error names."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from exchanges.simulator.core.bars import Candle, candle
from exchanges.simulator.core.catalog import Market, asset_titles
from exchanges.simulator.core.krw.levels import gathered, supported_levels
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import missing, not_quoted
from exchanges.simulator.core.krw.render import KST
from exchanges.simulator.core.numbers import EIGHT_PLACES, ZERO, parse_decimal
from exchanges.simulator.core.prints import newest_first
from exchanges.simulator.core.values import Reply, json_reply
from exchanges.simulator.core.world import World

DAY_MS = 86_400_000


def listed(world: World, venue: str) -> list[Market]:
    """Return the venue's markets."""
    return [market for market in world.markets.values() if market.venue == venue]


def asked(world: World, params: Params) -> list[Market]:
    """Return the markets that are asked about; 404 if one is not listed."""
    symbols = params.many("markets")
    if not symbols:
        raise missing("markets")
    found = [world.markets.get((params.venue, symbol)) for symbol in symbols]
    if None in found:
        raise not_quoted()
    return [market for market in found if market is not None]


def names(world: World, market: Market) -> dict[str, object]:
    """Return a market's code and its base's names."""
    korean, english = asset_titles(market.base)
    told = world.told_title(market.venue, market.base)
    return {"market": market.symbol, "korean_name": korean, "english_name": told or english}


def ticker(world: World, params: Params) -> Reply:
    """Return tickers; the day and its volumes are computed from the tape."""
    return json_reply([ticker_view(world, market) for market in asked(world, params)])


def ticker_view(world: World, market: Market) -> dict[str, object]:
    """Return a market's ticker."""
    price, now_ms = world.book(market).price, world.wall_ms
    today = candle(world, market, now_ms // DAY_MS * DAY_MS, now_ms + 1)
    full_day = candle(world, market, now_ms - DAY_MS, now_ms)
    high, low = max(today.high, price), min(today.low, price)
    kst = datetime.fromtimestamp(now_ms // 1000, tz=KST)
    return {
        "market": market.symbol,
        **_moment(now_ms),
        "opening_price": today.open,
        "high_price": high,
        "low_price": low,
        "trade_price": price,
        "prev_closing_price": today.open,
        **_change(today, price),
        "trade_volume": next(newest_first(world, market)).quantity,
        "acc_trade_price": today.notional,
        "acc_trade_price_24h": full_day.notional,
        "acc_trade_volume": today.quantity,
        "acc_trade_volume_24h": full_day.quantity,
        "highest_52_week_price": high,
        "highest_52_week_date": f"{kst:%Y-%m-%d}",
        "lowest_52_week_price": low,
        "lowest_52_week_date": f"{kst:%Y-%m-%d}",
        "timestamp": now_ms,
    }


def _moment(now_ms: int) -> dict[str, object]:
    utc = datetime.fromtimestamp(now_ms // 1000, tz=UTC)
    kst = utc.astimezone(KST)
    return {
        "trade_date": f"{utc:%Y%m%d}",
        "trade_time": f"{utc:%H%M%S}",
        "trade_date_kst": f"{kst:%Y%m%d}",
        "trade_time_kst": f"{kst:%H%M%S}",
        "trade_timestamp": now_ms,
    }


def _change(today: Candle, price: Decimal) -> dict[str, object]:
    change = price - today.open
    rate = (change / today.open).quantize(EIGHT_PLACES)
    return {
        "change": "RISE" if change > 0 else "FALL" if change < 0 else "EVEN",
        "change_price": abs(change),
        "change_rate": abs(rate),
        "signed_change_price": change,
        "signed_change_rate": rate,
    }


def orderbook(world: World, params: Params) -> Reply:
    """Return order books of up to 30 levels; none of a market that cannot be shown by `level`."""
    count = params.whole("count", 30, 30)
    level = parse_decimal(params.get("level") or "0")
    shown = [market for market in asked(world, params) if level in levels_of(world, market)]
    return json_reply([book_view(world, market, count, level or ZERO) for market in shown])


def levels_of(world: World, market: Market) -> list[Decimal]:
    """List the steps that a market's book may be shown in."""
    price = world.book(market).price
    return supported_levels(market.quote, price, world.price_step(market, price))


def book_view(world: World, market: Market, count: int, level: Decimal) -> dict[str, object]:
    """Return a market's book, gathered by `level` unless that is zero."""
    book = world.book(market)
    asks = gathered(book.asks, level, is_bid=False)
    bids = gathered(book.bids, level, is_bid=True)
    units = [
        {
            "ask_price": ask.price,
            "bid_price": bid.price,
            "ask_size": ask.quantity,
            "bid_size": bid.quantity,
        }
        for ask, bid in zip(asks[:count], bids[:count], strict=False)
    ]
    return {
        "market": market.symbol,
        "timestamp": world.wall_ms,
        "total_ask_size": sum((row.quantity for row in asks), ZERO),
        "total_bid_size": sum((row.quantity for row in bids), ZERO),
        "orderbook_units": units,
        "level": level,
    }
