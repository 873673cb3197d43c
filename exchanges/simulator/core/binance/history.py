"""Binance's public history: trades, candles and the rolling day; money is written as strings."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice, takewhile

from exchanges.simulator.core.bars import Candle, candle, candles
from exchanges.simulator.core.binance.market import asked, best, market_of, one_or_all
from exchanges.simulator.core.binance.params import Params
from exchanges.simulator.core.binance.refusals import refuse
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.numbers import fixed8
from exchanges.simulator.core.prints import Print, newest_first, oldest_first, tick_instant
from exchanges.simulator.core.values import Reply, json_reply
from exchanges.simulator.core.world import World

DAY_MS = 86_400_000
_UNITS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}
INTERVALS = {
    name: int(name[:-1]) * _UNITS[name[-1]]
    for name in [
        "1s",
        "1m",
        "3m",
        "5m",
        "15m",
        "30m",
        "1h",
        "2h",
        "4h",
        "6h",
        "8h",
        "12h",
        "1d",
        "3d",
        "1w",
    ]
}
_MOST = 1000
_AVERAGE_MINUTES = 5


def aggregated_trades(world: World, params: Params) -> Reply:
    """Return public trades, oldest first: from an id or an instant on, else the latest."""
    rows = [
        {
            "a": trade.number,
            "p": fixed8(trade.price),
            "q": fixed8(trade.quantity),
            "f": trade.number,
            "l": trade.number,
            "T": trade.at_ms,
            "m": not trade.is_buy,
            "M": True,
        }
        for trade in _trades(world, params)
    ]
    return json_reply(rows)


def trades(world: World, params: Params) -> Reply:
    """Return the latest public trades, oldest first; with `fromId` those from there on."""
    rows = [
        {
            "id": trade.number,
            "price": fixed8(trade.price),
            "qty": fixed8(trade.quantity),
            "quoteQty": fixed8(trade.price * trade.quantity),
            "time": trade.at_ms,
            "isBuyerMaker": not trade.is_buy,
            "isBestMatch": True,
        }
        for trade in _trades(world, params)
    ]
    return json_reply(rows)


def _trades(world: World, params: Params) -> list[Print]:
    market = market_of(world, params.need("symbol"))
    limit = min(params.whole("limit", 500) or 500, _MOST)
    end_ms = params.whole("endTime", world.wall_ms) or 0
    number = params.whole("fromId")
    from_ms = params.whole("startTime") if number is None else tick_instant(world, number)
    if from_ms is None:
        return list(islice(newest_first(world, market, before_ms=end_ms + 1), limit))[::-1]
    rows = takewhile(lambda t: t.at_ms <= end_ms, oldest_first(world, market, from_ms))
    return list(islice((trade for trade in rows if trade.number >= (number or 0)), limit))


def klines(world: World, params: Params) -> Reply:
    """Return candles, oldest first: from an instant on, else the latest."""
    market = market_of(world, params.need("symbol"))
    length_ms = INTERVALS.get(params.need("interval"))
    if length_ms is None:
        raise refuse(-1120)
    limit = min(params.whole("limit", 500) or 500, _MOST)
    end_ms = min(params.whole("endTime", world.wall_ms) or 0, world.wall_ms)
    start_ms = params.whole("startTime")
    if start_ms is not None:
        first_ms = -(-start_ms // length_ms) * length_ms
        limit = min(limit, (end_ms - first_ms) // length_ms + 1)
        end_ms = min(end_ms, first_ms + limit * length_ms - 1)
    rows = candles(world, market, length_ms, end_ms + 1, limit) if limit > 0 else []
    return json_reply([_kline(row) for row in rows])


def _kline(row: Candle) -> list[object]:
    half = Decimal("0.5")
    return [
        row.start_ms,
        fixed8(row.open),
        fixed8(row.high),
        fixed8(row.low),
        fixed8(row.close),
        fixed8(row.quantity),
        row.end_ms - 1,
        fixed8(row.notional),
        row.trades,
        fixed8(row.quantity * half),
        fixed8(row.notional * half),
        "0",
    ]


def average_price(world: World, params: Params) -> Reply:
    """Return the mean of the last five minutes' ends."""
    market = market_of(world, params.need("symbol"))
    rows = candles(world, market, 60_000, world.wall_ms + 1, _AVERAGE_MINUTES)
    mean = sum((row.close for row in rows), Decimal(0)) / len(rows)
    return json_reply({"mins": _AVERAGE_MINUTES, "price": fixed8(mean), "closeTime": world.wall_ms})


def rolling_day(world: World, params: Params) -> Reply:
    """Return the last 24 hours of one market, of some or of all."""
    is_mini = params.get("type") == "MINI"
    return one_or_all(
        params, [_day(world, market, is_mini=is_mini) for market in asked(world, params)]
    )


def _day(world: World, market: Market, *, is_mini: bool) -> dict[str, object]:
    day = candle(world, market, world.wall_ms - DAY_MS, world.wall_ms)
    last = world.book(market).price
    newest = next(newest_first(world, market))
    view: dict[str, object] = {
        "symbol": market.symbol,
        "openPrice": fixed8(day.open),
        "highPrice": fixed8(max(day.high, last)),
        "lowPrice": fixed8(min(day.low, last)),
        "lastPrice": fixed8(last),
        "volume": fixed8(day.quantity),
        "quoteVolume": fixed8(day.notional),
        "openTime": world.wall_ms - DAY_MS,
        "closeTime": world.wall_ms,
        "firstId": newest.number - day.trades,
        "lastId": newest.number,
        "count": day.trades,
    }
    return view if is_mini else {**view, **_changes(day, last, newest), **best(world, market)}


def _changes(day: Candle, last: Decimal, newest: Print) -> dict[str, object]:
    change = last - day.open
    return {
        "priceChange": fixed8(change),
        "priceChangePercent": f"{change / day.open * 100:.3f}",
        "weightedAvgPrice": fixed8((day.open + day.close) / 2),
        "prevClosePrice": fixed8(day.open),
        "lastQty": fixed8(newest.quantity),
    }
