"""Upbit's trading and transfer rules: price steps, minimum, fee, wallets. Pure.

Sources: docs.upbit.com, "KRW market order price units" (table since 2025-07-31), `orders/chance`,
`orderbook/instruments`, `status/wallet`, `withdraws/chance`, `deposits/chance/coin`.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec

from exchanges.adapters.upbit.dialect import VENUE
from exchanges.adapters.upbit.payloads import market_code
from exchanges.transport.decoding import UnreadableError, decode, or_zero, required
from exchanges.values import Market, MarketRules, NetworkRules

QUANTITY_STEP = Decimal("0.00000001")
# (from price, step), highest first
KRW_PRICE_STEPS: tuple[tuple[Decimal, Decimal], ...] = tuple(
    (Decimal(floor), Decimal(step))
    for floor, step in (
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
)
# Upbit's API does not say which networks want a memo; these do by design.
MEMO_NETWORKS = frozenset({"XRP", "XLM", "EOS", "ATOM", "HBAR", "STX", "TON"})
WITHDRAW_STATES = frozenset({"working", "withdraw_only"})
DEPOSIT_STATES = frozenset({"working", "deposit_only"})


class _Side(msgspec.Struct):
    min_total: Decimal | None = None


class _ChanceMarket(msgspec.Struct):
    bid: _Side
    ask: _Side
    state: str | None = None


class _Chance(msgspec.Struct):
    bid_fee: Decimal
    ask_fee: Decimal
    market: _ChanceMarket


class _Instrument(msgspec.Struct):
    market: str
    tick_size: Decimal | None = None


class _Ticker(msgspec.Struct):
    market: str
    trade_price: Decimal


def price_steps(
    market: Market, *, tick: Decimal, price: Decimal
) -> tuple[tuple[Decimal, Decimal], ...]:
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
    """Put a market's rules together; the higher of both sides' minima and fees counts."""
    rules = decode(chance, _Chance)
    tick, price = _tick(instruments, market), _price(ticker, market)
    minima = (
        or_zero(rules.market.bid.min_total, "min_total"),
        or_zero(rules.market.ask.min_total, "min_total"),
    )
    return MarketRules(
        venue=VENUE,
        market=market,
        price_steps=price_steps(market, tick=tick, price=price),
        quantity_step=QUANTITY_STEP,
        minimum_notional=max(minima),
        taker_fee_rate=max(required(rules.bid_fee, "bid_fee"), required(rules.ask_fee, "ask_fee")),
        buy_fee_in_quote=True,
        is_open=rules.market.state in {None, "active"},
        fetched_at=now,
    )


def _tick(instruments: bytes, market: Market) -> Decimal:
    for row in decode(instruments, list[_Instrument]):
        if row.market == market_code(market):
            tick = required(row.tick_size, "tick_size")
            if tick > 0:
                return tick
    raise UnreadableError("no tick size for the market")


def _price(ticker: bytes, market: Market) -> Decimal:
    for row in decode(ticker, list[_Ticker]):
        if row.market == market_code(market):
            return required(row.trade_price, "trade_price")
    raise UnreadableError("no price for the market")


class _Wallet(msgspec.Struct):
    currency: str
    wallet_state: str
    net_type: str | None = None
    block_state: str | None = None


def wallets(body: bytes, asset: str) -> dict[str, str]:
    """Read the wallet state of each of the asset's networks; one whose node is down reads paused."""
    rows = [row for row in decode(body, list[_Wallet]) if row.currency == asset and row.net_type]
    return {
        row.net_type: "paused" if row.block_state == "inactive" else row.wallet_state
        for row in rows
        if row.net_type and row.wallet_state != "unsupported"
    }


class _ChanceCurrency(msgspec.Struct):
    withdraw_fee: Decimal | None = None


class _WithdrawLimit(msgspec.Struct):
    minimum: Decimal | None = None
    fixed: int | None = None
    can_withdraw: bool | None = None


class _WithdrawChance(msgspec.Struct):
    currency: _ChanceCurrency
    withdraw_limit: _WithdrawLimit


class _DepositChance(msgspec.Struct):
    is_deposit_possible: bool = True
    minimum_deposit_confirmations: int | None = None


def network_rules(
    asset: str, network: str, state: str, *, withdraw: bytes, deposit: bytes, now: datetime
) -> NetworkRules:
    """Put one network's rules together; every source must agree that it is open."""
    sending, receiving = decode(withdraw, _WithdrawChance), decode(deposit, _DepositChance)
    limit = sending.withdraw_limit
    places = 8 if limit.fixed is None else min(max(limit.fixed, 0), 18)
    return NetworkRules(
        venue=VENUE,
        asset=asset,
        network=network,
        withdraw_is_open=state in WITHDRAW_STATES and limit.can_withdraw is not False,
        deposit_is_open=state in DEPOSIT_STATES and receiving.is_deposit_possible,
        withdraw_fee=required(sending.currency.withdraw_fee, "withdraw_fee"),
        withdraw_minimum=or_zero(limit.minimum, "minimum"),
        withdraw_step=Decimal(1).scaleb(-places),
        memo_is_required=network in MEMO_NETWORKS,
        confirmations=receiving.minimum_deposit_confirmations,
        fetched_at=now,
    )
