"""Upbit's trading and transfer rules: price steps, minimum, fee, wallets. Pure.

Sources: docs.upbit.com, "KRW market order price units" (table since 2025-07-31), `orders/chance`,
`orderbook/instruments`, `status/wallet`, `withdraws/chance`, `deposits/chance/coin`.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

import msgspec

from exchanges.adapters.krw import books
from exchanges.adapters.krw.books import market_code
from exchanges.adapters.krw.wallets import (
    Chance,
    PriceSteps,
    Receiving,
    WithdrawChance,
    limit,
    steps,
)
from exchanges.adapters.upbit.dialect import VENUE
from exchanges.transport.decoding import UnreadableError, required
from exchanges.transport.reading import decode
from exchanges.values import KeyReport, Market, MarketRules, NetworkRules

KRW_PRICE_STEPS = steps(
    ("1000000", "1000"),
    ("500000", "500"),
    ("100000", "100"),
    ("50000", "50"),
    ("10000", "10"),
    ("5000", "5"),
    ("1000", "1"),
    ("100", "1"),
    ("10", "0.1"),
    ("1", "0.01"),
    ("0.1", "0.001"),
    ("0.01", "0.0001"),
    ("0.001", "0.00001"),
    ("0.0001", "0.000001"),
    ("0.00001", "0.0000001"),
    ("0", "0.00000001"),
)


class _Instrument(msgspec.Struct):
    market: str
    tick_size: Decimal | None = None


def price_steps(market: Market, *, tick: Decimal, price: Decimal) -> PriceSteps:
    """Give the documented table if it agrees with the venue's tick at this price, else that tick flat.

    Some markets (USDT, USDC and others) deviate from the table.
    """
    tabled = next((step for floor, step in KRW_PRICE_STEPS if price >= floor), None)
    if market.quote == "KRW" and tabled == tick:
        return KRW_PRICE_STEPS
    return ((Decimal(0), tick),)


def market_rules(
    market: Market, *, chance: bytes, instruments: bytes, ticker: bytes, now: datetime
) -> MarketRules:
    """Put a market's rules together."""
    tick, price = _tick(instruments, market), books.price(ticker, market)
    found = price_steps(market, tick=tick, price=price)
    return decode(chance, Chance).rules(VENUE, market, found, now)


def _tick(instruments: bytes, market: Market) -> Decimal:
    for row in decode(instruments, list[_Instrument]):
        if row.market == market_code(market):
            tick = required(row.tick_size, "tick_size")
            if tick > 0:
                return tick
    raise UnreadableError("no tick size for the market")


class _DepositChance(msgspec.Struct):
    is_deposit_possible: bool = True
    minimum_deposit_amount: Decimal | None = None
    minimum_deposit_confirmations: int | None = None


class _Member(msgspec.Struct):
    locked: bool | None = None
    wallet_locked: bool | None = None


class _Delay(msgspec.Struct):
    withdraw_delayed_fiat: Decimal | None = None


class _Account(msgspec.Struct):
    member_level: _Member = msgspec.field(default_factory=_Member)
    withdraw_limit: _Delay = msgspec.field(default_factory=_Delay)


def account_held(chance: bytes, told: KeyReport) -> KeyReport:
    """Add what keeps the account from withdrawing: a lock, and won too new for its worth to leave."""
    account = decode(chance, _Account)
    locks = (account.member_level.locked, account.member_level.wallet_locked)
    delayed = account.withdraw_limit.withdraw_delayed_fiat
    return replace(
        told,
        is_locked=None if locks == (None, None) else True in locks,
        delayed_krw=None if delayed is None else required(delayed, "withdraw_delayed_fiat"),
    )


def network_rules(
    asset: str, network: str, state: str, *, withdraw: bytes, deposit: bytes, now: datetime
) -> NetworkRules:
    """Put one network's rules together; every source must agree that it is open."""
    told = decode(deposit, _DepositChance)
    receiving = Receiving(
        is_open=told.is_deposit_possible,
        minimum=limit(told.minimum_deposit_amount, "minimum_deposit_amount"),
        confirmations=told.minimum_deposit_confirmations,
    )
    sending = decode(withdraw, WithdrawChance)
    return sending.rules(VENUE, asset, network, state, receiving=receiving, now=now)
