"""Public history of the Korean venues: executed trades and candles."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from itertools import islice, takewhile

from exchanges.simulator.core.bars import Candle, candle, candles
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.quotation import DAY_MS
from exchanges.simulator.core.krw.refusals import invalid, not_quoted
from exchanges.simulator.core.krw.render import KST
from exchanges.simulator.core.numbers import EIGHT_PLACES
from exchanges.simulator.core.prints import Print, newest_first, tick_instant
from exchanges.simulator.core.values import Reply, json_reply
from exchanges.simulator.core.world import World

MINUTES = (1, 3, 5, 10, 15, 30, 60, 240)
_MOST_TRADES = 500
_MOST_CANDLES = 200
_DAYS_BACK = 7


def _market(world: World, params: Params) -> Market:
    market = world.markets.get((params.venue, params.need("market")))
    if market is None:
        raise not_quoted()
    return market


def trades(world: World, params: Params) -> Reply:
    """Return executed trades of one UTC day, newest first, before a cursor or a time of day."""
    market, count = _market(world, params), params.whole("count", 1, _MOST_TRADES)
    from_ms, until_ms = _span(world, params)
    cursor = params.whole("cursor", 10**18, 10**18)
    if params.get("cursor") is not None:  # not before the end of the cursor's own tick
        until_ms = min(until_ms, tick_instant(world, cursor) + world.books.tick_ms)
    newest = newest_first(world, market, before_ms=until_ms)
    rows = takewhile(lambda trade: trade.at_ms >= from_ms, newest)
    found = (trade for trade in rows if trade.number < cursor)
    opening = candle(world, market, from_ms, from_ms + DAY_MS).open
    return json_reply([_trade(market, trade, opening) for trade in islice(found, count)])


def _span(world: World, params: Params) -> tuple[int, int]:
    back = params.whole("days_ago", 0, _DAYS_BACK) if params.get("days_ago") else 0
    day_ms = (world.wall_ms // DAY_MS - back) * DAY_MS
    text = params.get("to")
    if text is None:
        return day_ms, day_ms + DAY_MS
    digits = text.replace(":", "")
    if not digits.isdecimal() or len(digits) != 6:
        raise invalid("to")
    seconds = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:])
    return day_ms, day_ms + seconds * 1000


def _trade(market: Market, trade: Print, opening: Decimal) -> dict[str, object]:
    utc = datetime.fromtimestamp(trade.at_ms // 1000, tz=UTC)
    return {
        "market": market.symbol,
        "trade_date_utc": f"{utc:%Y-%m-%d}",
        "trade_time_utc": f"{utc:%H:%M:%S}",
        "timestamp": trade.at_ms,
        "trade_price": trade.price,
        "trade_volume": trade.quantity,
        "prev_closing_price": opening,
        "change_price": trade.price - opening,
        "ask_bid": "BID" if trade.is_buy else "ASK",
        "sequential_id": trade.number,
    }


def _candles(length_ms: int, world: World, params: Params) -> Reply:
    market, count = _market(world, params), params.whole("count", 1, _MOST_CANDLES)
    rows = candles(world, market, length_ms, _until(world, params), count)
    return json_reply([_candle(market, row, length_ms) for row in reversed(rows)])


def _until(world: World, params: Params) -> int:
    text = params.get("to")
    if text is None:
        return world.wall_ms + 1
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise invalid("to") from None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)


def _candle(market: Market, row: Candle, length_ms: int) -> dict[str, object]:
    utc = datetime.fromtimestamp(row.start_ms // 1000, tz=UTC)
    view: dict[str, object] = {
        "market": market.symbol,
        "candle_date_time_utc": f"{utc:%Y-%m-%dT%H:%M:%S}",
        "candle_date_time_kst": f"{utc.astimezone(KST):%Y-%m-%dT%H:%M:%S}",
        "opening_price": row.open,
        "high_price": row.high,
        "low_price": row.low,
        "trade_price": row.close,
        "timestamp": row.end_ms - 1,
        "candle_acc_trade_price": row.notional,
        "candle_acc_trade_volume": row.quantity,
    }
    if 60_000 <= length_ms < DAY_MS:
        view["unit"] = length_ms // 60_000
    elif length_ms == DAY_MS:
        change = row.close - row.open
        view |= {"prev_closing_price": row.open, "change_price": change}
        view["change_rate"] = (change / row.open).quantize(EIGHT_PLACES)
    return view


CANDLES = {
    "/v1/candles/seconds": partial(_candles, 1000),
    **{f"/v1/candles/minutes/{unit}": partial(_candles, unit * 60_000) for unit in MINUTES},
    "/v1/candles/days": partial(_candles, DAY_MS),
}
