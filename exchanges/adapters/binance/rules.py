"""Binance's trading rules: filters of exchangeInfo and the account's fee. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from exchanges.adapters.binance.dialect import VENUE
from exchanges.adapters.binance.payloads import market_code
from exchanges.transport.decoding import UnreadableError, or_zero, required
from exchanges.transport.reading import decode
from exchanges.values import ZERO, Market, MarketRules


class _Filter(msgspec.Struct, rename="camel"):
    filter_type: str
    tick_size: Decimal | None = None
    step_size: Decimal | None = None
    max_qty: Decimal | None = None
    min_notional: Decimal | None = None
    max_notional: Decimal | None = None


class _Symbol(msgspec.Struct):
    symbol: str
    status: str
    filters: list[_Filter] = []


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Symbol]


class _TradeFee(msgspec.Struct, rename="camel"):
    symbol: str
    taker_commission: Decimal


class _Rates(msgspec.Struct):
    taker: Decimal


class _Account(msgspec.Struct, rename="camel"):
    commission_rates: _Rates


def taker_fee(trade_fee: bytes, market: Market) -> Decimal | None:
    """Read the market's taker fee, a fraction; None if the list does not name the market."""
    for row in decode(trade_fee, list[_TradeFee]):
        if row.symbol == market_code(market):
            return required(row.taker_commission, "takerCommission")
    return None


def account_taker_fee(account: bytes) -> Decimal:
    """Read the account's general taker fee, a fraction."""
    return required(decode(account, _Account).commission_rates.taker, "commissionRates.taker")


def market_rules(
    exchange_info: bytes, market: Market, *, taker_fee_rate: Decimal, now: datetime
) -> MarketRules:
    """Put a market's rules together."""
    symbols = decode(exchange_info, _ExchangeInfo).symbols
    symbol = next((row for row in symbols if row.symbol == market_code(market)), None)
    if symbol is None:
        raise UnreadableError("the market is not in the reply")
    filters = {row.filter_type: row for row in symbol.filters}
    notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL")
    lot = filters.get("LOT_SIZE")
    return MarketRules(
        venue=VENUE,
        market=market,
        price_steps=((ZERO, _step(filters.get("PRICE_FILTER"), "tick_size")),),
        quantity_step=_step(lot, "step_size"),
        minimum_notional=or_zero(notional.min_notional, "minNotional") if notional else ZERO,
        maximum_notional=_limit(notional.max_notional if notional else None, "maxNotional"),
        maximum_quantity=_limit(lot.max_qty if lot else None, "maxQty"),
        taker_fee_rate=taker_fee_rate,
        buy_fee_in_quote=False,
        is_open=symbol.status == "TRADING",
        fetched_at=now,
    )


def _limit(value: Decimal | None, name: str) -> Decimal | None:
    """Read a limit; none, or nothing, is no limit."""
    return None if value is None else required(value, name) or None


def _step(row: _Filter | None, name: str) -> Decimal:
    """Give a filter's step; without one nothing can be rounded for this market."""
    step = required(row.tick_size if name == "tick_size" else row.step_size, name) if row else ZERO
    if step <= 0:
        raise UnreadableError(f"no {name} for the market")
    return step
