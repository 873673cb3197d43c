"""Binance's public market data; money is written as strings."""

from __future__ import annotations

import json

from exchanges.simulator.core.binance.auth import venue_now_ms
from exchanges.simulator.core.binance.params import Params
from exchanges.simulator.core.binance.refusals import refuse
from exchanges.simulator.core.books import Level
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.limits import (
    BINANCE_ORDERS_10S,
    BINANCE_ORDERS_A_DAY,
    BINANCE_WEIGHT_A_MINUTE,
)
from exchanges.simulator.core.numbers import decimals_of, fixed8
from exchanges.simulator.core.values import BINANCE, Reply, json_reply
from exchanges.simulator.core.world import World

DEPTH_LIMITS = (5, 10, 20, 50, 100, 500, 1000, 5000)


def _markets(world: World) -> list[Market]:
    return [market for market in world.markets.values() if market.venue == BINANCE]


def market_of(world: World, symbol: str) -> Market:
    """Return the market or refuse (-1121)."""
    market = world.markets.get((BINANCE, symbol))
    if market is None:
        raise refuse(-1121)
    return market


def asked(world: World, params: Params) -> list[Market]:
    """Return the markets that `symbol` or `symbols` name, else all."""
    symbol, symbols = params.get("symbol"), params.get("symbols")
    if symbol is not None:
        return [market_of(world, symbol)]
    if symbols is None:
        return _markets(world)
    try:
        names = json.loads(symbols)
    except ValueError:
        raise refuse(-1100, "symbols") from None
    return [market_of(world, str(name)) for name in names]


def one_or_all(params: Params, rows: list[dict[str, object]]) -> Reply:
    """Reply with one object where one symbol was asked for, else with a list."""
    return json_reply(rows[0] if params.get("symbol") is not None else rows)


def ping(world: World, params: Params) -> Reply:
    """Answer nothing."""
    del world, params
    return json_reply({})


def time(world: World, params: Params) -> Reply:
    """Return the venue's clock."""
    del params
    return json_reply({"serverTime": venue_now_ms(world)})


def depth(world: World, params: Params) -> Reply:
    """Return an order book."""
    market = market_of(world, params.need("symbol"))
    limit = params.whole("limit", 100) or 100
    book = world.book(market)
    return json_reply(
        {
            "lastUpdateId": book.update_id,
            "bids": _levels(book.bids, limit),
            "asks": _levels(book.asks, limit),
        }
    )


def _levels(levels: list[Level], limit: int) -> list[tuple[str, str]]:
    shown = [level for level in levels if level.quantity > 0]
    return [(fixed8(level.price), fixed8(level.quantity)) for level in shown[:limit]]


def book_ticker(world: World, params: Params) -> Reply:
    """Return the best bid and ask of one market or of all."""
    markets = asked(world, params)
    return one_or_all(params, [{"symbol": m.symbol, **best(world, m)} for m in markets])


def best(world: World, market: Market) -> dict[str, object]:
    """Return the best bid and ask, zeros where a side is empty."""
    book = world.book(market)
    bid = next((level for level in book.bids if level.quantity > 0), None)
    ask = next((level for level in book.asks if level.quantity > 0), None)
    return {
        "bidPrice": fixed8(bid.price) if bid else "0.00000000",
        "bidQty": fixed8(bid.quantity) if bid else "0.00000000",
        "askPrice": fixed8(ask.price) if ask else "0.00000000",
        "askQty": fixed8(ask.quantity) if ask else "0.00000000",
    }


def price(world: World, params: Params) -> Reply:
    """Return the last price of one market or of all."""
    rows: list[dict[str, object]] = [
        {"symbol": market.symbol, "price": fixed8(world.book(market).price)}
        for market in asked(world, params)
    ]
    return one_or_all(params, rows)


def exchange_info(world: World, params: Params) -> Reply:
    """Return the venue's limits and markets with their filters."""
    return json_reply(
        {
            "timezone": "UTC",
            "serverTime": world.venue_ms(BINANCE),
            "rateLimits": rate_limits(),
            "exchangeFilters": [],
            "symbols": [_symbol(world, market) for market in asked(world, params)],
        }
    )


def rate_limits() -> list[dict[str, object]]:
    """Return the limits as the venue lists them."""
    return [
        _limit("REQUEST_WEIGHT", "MINUTE", 1, BINANCE_WEIGHT_A_MINUTE),
        _limit("ORDERS", "SECOND", 10, BINANCE_ORDERS_10S),
        _limit("ORDERS", "DAY", 1, BINANCE_ORDERS_A_DAY),
        _limit("RAW_REQUESTS", "MINUTE", 5, 300_000),
    ]


def _limit(kind: str, interval: str, number: int, limit: int) -> dict[str, object]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}


def _symbol(world: World, market: Market) -> dict[str, object]:
    is_open = market.is_open and not world.maintenance.get(BINANCE)
    return {
        "symbol": market.symbol,
        "status": "TRADING" if is_open else "HALT",
        "baseAsset": market.base,
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "otoAllowed": False,
        "opoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "amendAllowed": False,
        "pegInstructionsAllowed": False,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": _filters(market),
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "NONE",
        "allowedSelfTradePreventionModes": ["NONE"],
    }


def _filters(market: Market) -> list[dict[str, object]]:
    tick = market.price_step or market.quantity_step
    step = {
        "minQty": fixed8(market.quantity_step),
        "maxQty": "90000000.00000000",
        "stepSize": fixed8(market.quantity_step),
    }
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": fixed8(tick),
            "maxPrice": "1000000.00000000",
            "tickSize": fixed8(tick),
        },
        {"filterType": "LOT_SIZE", **step},
        {"filterType": "MARKET_LOT_SIZE", **step, "minQty": "0.00000000", "stepSize": "0.00000000"},
        {
            "filterType": "NOTIONAL",
            "minNotional": fixed8(market.min_notional),
            "applyMinToMarket": True,
            "maxNotional": fixed8(market.max_notional),
            "applyMaxToMarket": False,
            "avgPriceMins": 5,
        },
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    ]


def price_decimals(market: Market) -> int:
    """Return how many decimals a price may have."""
    return decimals_of(market.price_step) if market.price_step is not None else 8
