"""Upbit's orders, books and balances: decoded straight from bytes, then turned into our values. Pure.

Fields may be quoted numbers, bare numbers, null or absent; unknown ones are ignored. A state we do not
know makes the whole reply unreadable. Instants carry +09:00 and become UTC.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_DOWN, Decimal, localcontext

import msgspec

from exchanges.adapters.upbit.dialect import VENUE
from exchanges.transport.decoding import (
    UnreadableError,
    decode,
    from_milliseconds,
    instant,
    known,
    or_zero,
    required,
)
from exchanges.values import (
    ZERO,
    Balance,
    Book,
    FillReport,
    Level,
    Market,
    OrderReport,
    OrderStatus,
    Side,
)

FEE_QUANTUM = Decimal("1e-18")

ORDER_STATES = {
    "wait": OrderStatus.OPEN,
    "watch": OrderStatus.OPEN,
    "done": OrderStatus.FILLED,
    "cancel": OrderStatus.CLOSED,  # the normal end of an IOC, fills or none
}
SIDES = {"bid": Side.BUY, "ask": Side.SELL}


class Trade(msgspec.Struct):
    """One execution; Upbit names no fee per trade."""

    uuid: str | None = None
    price: Decimal | None = None
    volume: Decimal | None = None
    funds: Decimal | None = None
    created_at: str | None = None


class Order(msgspec.Struct):
    """An order; `trades` come with the single-order read only."""

    uuid: str
    side: str
    state: str
    market: str
    identifier: str | None = None
    created_at: str | None = None
    volume: Decimal | None = None
    executed_volume: Decimal | None = None
    paid_fee: Decimal | None = None
    trades: list[Trade] | None = None


def market_code(market: Market) -> str:
    """Give Upbit's code: quote first."""
    return f"{market.quote}-{market.base}"


def market_of(code: str) -> Market:
    """Read Upbit's code."""
    quote, dash, base = code.partition("-")
    if not (quote and dash and base):
        raise UnreadableError("not a market code")
    return Market(base, quote)


def placed_order(body: bytes, *, client_order_id: str) -> OrderReport:
    """Read the reply to a new order.

    It may lack fills even of an order that filled at once, so a state that claims an end is believed
    only if it shows every fill; otherwise the order counts as OPEN, and the caller reads it again.
    """
    report = order_report(decode(body, Order), client_order_id=client_order_id)
    if report.fills and report.is_final:
        return report
    return _as_open(report)


def found_order(body: bytes, *, client_order_id: str) -> OrderReport:
    """Read the reply to a single-order read."""
    report = order_report(decode(body, Order), client_order_id=client_order_id)
    is_contradictory = report.status is OrderStatus.FILLED and not report.executed_quantity
    return _as_open(report) if is_contradictory else report


def order_report(order: Order, *, client_order_id: str) -> OrderReport:
    """Turn an order into a report; a reply that names another identifier is not believed."""
    if not order.uuid or order.identifier not in {None, client_order_id}:
        raise UnreadableError("the reply is about another order")
    market = market_of(order.market)
    return OrderReport(
        venue=VENUE,
        market=market,
        side=known(SIDES, order.side, "side"),
        client_order_id=client_order_id,
        venue_order_id=order.uuid,
        status=known(ORDER_STATES, order.state, "state"),
        quantity=or_zero(order.volume, "volume"),
        executed_quantity=or_zero(order.executed_volume, "executed_volume"),
        fills=_fills(order, market),
        created_at=instant(order.created_at),
    )


def _as_open(report: OrderReport) -> OrderReport:
    return OrderReport(
        venue=report.venue,
        market=report.market,
        side=report.side,
        client_order_id=report.client_order_id,
        venue_order_id=report.venue_order_id,
        status=OrderStatus.OPEN,
        quantity=report.quantity,
        executed_quantity=report.executed_quantity,
        fills=report.fills,
        created_at=report.created_at,
    )


def _fills(order: Order, market: Market) -> tuple[FillReport, ...]:
    trades = order.trades or []
    notionals = [_funds(trade) for trade in trades]
    fees = shares_of_fee(or_zero(order.paid_fee, "paid_fee"), notionals)
    ordered_at = instant(order.created_at)
    return tuple(
        FillReport(
            venue_fill_id=trade.uuid or f"{order.uuid}:{number}",
            price=required(trade.price, "price"),
            quantity=required(trade.volume, "volume"),
            notional=notional,
            fee=fee,
            fee_asset=market.quote,
            at=_filled_at(trade, ordered_at),
        )
        for number, (trade, notional, fee) in enumerate(zip(trades, notionals, fees, strict=True))
    )


def _filled_at(trade: Trade, ordered_at: datetime | None) -> datetime:
    at = instant(trade.created_at) or ordered_at
    if at is None:
        raise UnreadableError("a trade without an instant")
    return at


def _funds(trade: Trade) -> Decimal:
    if trade.funds is not None:
        return required(trade.funds, "funds")
    with localcontext(prec=60):
        return required(trade.price, "price") * required(trade.volume, "volume")


def shares_of_fee(paid_fee: Decimal, notionals: list[Decimal]) -> list[Decimal]:
    """Divide an order's fee over its fills by notional: floored to 18 places, the rest to the last."""
    if not notionals:
        return []
    with localcontext(prec=60):
        total = sum(notionals, ZERO)
        shares = [
            (paid_fee * notional / total).quantize(FEE_QUANTUM, ROUND_DOWN) if total else ZERO
            for notional in notionals[:-1]
        ]
        return [*shares, paid_fee - sum(shares, ZERO)]


class _BookUnit(msgspec.Struct):
    ask_price: Decimal
    bid_price: Decimal
    ask_size: Decimal
    bid_size: Decimal


class _Book(msgspec.Struct):
    market: str
    orderbook_units: list[_BookUnit]
    timestamp: int | None = None


def book(body: bytes, market: Market, *, depth: int, received_at: datetime) -> Book:
    """Read an order book; levels without price or size are left out."""
    books = decode(body, list[_Book])
    found = next((item for item in books if item.market == market_code(market)), None)
    if found is None:
        raise UnreadableError("the market is not in the reply")
    units = found.orderbook_units
    return Book(
        venue=VENUE,
        market=market,
        bids=_levels([(unit.bid_price, unit.bid_size) for unit in units], depth),
        asks=_levels([(unit.ask_price, unit.ask_size) for unit in units], depth),
        venue_at=from_milliseconds(found.timestamp),
        received_at=received_at,
    )


def _levels(rows: list[tuple[Decimal, Decimal]], depth: int) -> tuple[Level, ...]:
    levels = [Level(required(price, "price"), required(size, "size")) for price, size in rows]
    return tuple(level for level in levels if level.price > 0 and level.quantity > 0)[:depth]


class _Account(msgspec.Struct):
    currency: str
    balance: Decimal | None = None
    locked: Decimal | None = None


def balances(body: bytes) -> dict[str, Balance]:
    """Read the accounts; `balance` is what is free, `locked` comes besides."""
    return {
        row.currency: Balance(
            asset=row.currency,
            free=or_zero(row.balance, "balance"),
            locked=or_zero(row.locked, "locked"),
        )
        for row in decode(body, list[_Account])
    }
