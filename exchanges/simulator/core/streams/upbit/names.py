"""The short names of SIMPLE and SIMPLE_LIST, by type of message; lists of objects have their own."""

from __future__ import annotations

from collections.abc import Mapping

Names = Mapping[str, str]

ALWAYS: dict[str, str] = {"type": "ty", "code": "cd", "timestamp": "tms", "stream_type": "st"}
_TRADED = {
    "ask_bid": "ab", "trade_price": "tp", "trade_volume": "tv", "trade_time": "ttm",
    "trade_timestamp": "ttms", "prev_closing_price": "pcp", "change": "c", "change_price": "cp",
}  # fmt: skip
TICKER: Names = ALWAYS | _TRADED | {
    "opening_price": "op", "high_price": "hp", "low_price": "lp", "signed_change_price": "scp",
    "change_rate": "cr", "signed_change_rate": "scr", "trade_date": "tdt",
    "acc_trade_price": "atp", "acc_trade_price_24h": "atp24h", "acc_trade_volume": "atv",
    "acc_trade_volume_24h": "atv24h", "acc_ask_volume": "aav", "acc_bid_volume": "abv",
    "highest_52_week_price": "h52wp", "highest_52_week_date": "h52wdt",
    "lowest_52_week_price": "l52wp", "lowest_52_week_date": "l52wdt", "market_state": "ms",
    "is_trading_suspended": "its", "delisting_date": "dd", "market_warning": "mw",
}  # fmt: skip
TRADE: Names = ALWAYS | _TRADED | {
    "trade_date": "td", "sequential_id": "sid", "best_ask_price": "bap", "best_ask_size": "bas",
    "best_bid_price": "bbp", "best_bid_size": "bbs",
}  # fmt: skip
ORDERBOOK: Names = ALWAYS | {
    "total_ask_size": "tas", "total_bid_size": "tbs", "orderbook_units": "obu", "level": "lv",
    "ask_price": "ap", "bid_price": "bp", "ask_size": "as", "bid_size": "bs",
}  # fmt: skip
MY_ORDER: Names = ALWAYS | {
    "uuid": "uid", "ask_bid": "ab", "order_type": "ot", "state": "s", "trade_uuid": "tuid",
    "price": "p", "avg_price": "ap", "volume": "v", "remaining_volume": "rv",
    "executed_volume": "ev", "trades_count": "tc", "reserved_fee": "rsf", "remaining_fee": "rmf",
    "paid_fee": "pf", "locked": "l", "executed_funds": "ef", "time_in_force": "tif",
    "trade_fee": "tf", "is_maker": "im", "identifier": "id", "smp_type": "smpt",
    "prevented_volume": "pv", "prevented_locked": "pl", "trade_timestamp": "ttms",
    "order_timestamp": "otms",
}  # fmt: skip
MY_ASSET: Names = ALWAYS | {
    "asset_uuid": "astuid", "assets": "ast", "currency": "cu", "balance": "b", "locked": "l",
    "asset_timestamp": "asttms",
}  # fmt: skip
SUBSCRIPTIONS: Names = {
    "method": "mthd", "result": "rslt", "type": "ty", "codes": "cds", "level": "lv",
    "ticket": "tckt",
}  # fmt: skip


def shortened(message: Mapping[str, object], names: Names) -> dict[str, object]:
    """Return the message under its short names, those of the objects in its lists included."""
    return {names.get(name, name): _short_value(value, names) for name, value in message.items()}


def _short_value(value: object, names: Names) -> object:
    if not isinstance(value, list):
        return value
    return [shortened(row, names) if isinstance(row, dict) else row for row in value]
