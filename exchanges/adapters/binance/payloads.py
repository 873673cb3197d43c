"""Binance's orders, books and balances: decoded straight from bytes, then our values. Pure.

Fields may be quoted or bare numbers, null or absent; unknown ones are ignored. A status we do not know
makes the whole reply unreadable.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from decimal import Decimal, localcontext

import msgspec

from exchanges.adapters.binance.dialect import VENUE
from exchanges.transport.decoding import (
    UnreadableError,
    from_milliseconds,
    known,
    or_zero,
    required,
)
from exchanges.transport.reading import decode
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

ORDER_STATUSES = {
    "NEW": OrderStatus.OPEN,
    "PENDING_NEW": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.OPEN,
    "PENDING_CANCEL": OrderStatus.OPEN,
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CLOSED,
    "REJECTED": OrderStatus.CLOSED,
    "EXPIRED": OrderStatus.CLOSED,  # the normal end of an IOC that left something over
    "EXPIRED_IN_MATCH": OrderStatus.CLOSED,
}
SIDES = {"BUY": Side.BUY, "SELL": Side.SELL}


class Fill(msgspec.Struct, rename="camel"):
    """One execution in a new order's FULL reply."""

    trade_id: int | str | None = None
    price: Decimal | None = None
    qty: Decimal | None = None
    commission: Decimal | None = None
    commission_asset: str | None = None


class Order(msgspec.Struct, rename="camel"):
    """An order, from a new order's reply or from a read."""

    symbol: str
    order_id: int | str
    status: str
    side: str
    client_order_id: str | None = None
    orig_qty: Decimal | None = None
    executed_qty: Decimal | None = None
    transact_time: int | None = None
    time: int | None = None
    fills: list[Fill] | None = None


class Trade(msgspec.Struct, rename="camel"):
    """One execution as `myTrades` tells it."""

    id: int | str
    order_id: int | str
    price: Decimal | None = None
    qty: Decimal | None = None
    quote_qty: Decimal | None = None
    commission: Decimal | None = None
    commission_asset: str | None = None
    time: int | None = None


def market_code(market: Market) -> str:
    """Give Binance's symbol."""
    return f"{market.base}{market.quote}"


def placed_order(body: bytes, market: Market, *, client_order_id: str) -> OrderReport:
    """Read the FULL reply to a new order.

    An end that does not show every fill in full counts as OPEN, and the caller reads the order again.
    """
    order = decode(body, Order)
    at = from_milliseconds(order.transact_time)
    fills = [_fill(fill, at) for fill in order.fills or []]
    shown = tuple(fill for fill in fills if fill is not None)
    report = order_report(order, market, client_order_id=client_order_id, fills=shown)
    if len(shown) == len(fills) and order.executed_qty is not None and report.is_final:
        return report
    return order_report(
        order, market, client_order_id=client_order_id, fills=shown, status=OrderStatus.OPEN
    )


def found_order(
    order: Order, trades: list[Trade], market: Market, *, client_order_id: str
) -> OrderReport:
    """Put an order and its trades together; trades may lag, then the report is not final."""
    fills = tuple(_trade(trade) for trade in trades if trade.order_id == order.order_id)
    is_contradictory = order.status == "FILLED" and not order.executed_qty
    status = OrderStatus.OPEN if is_contradictory or order.executed_qty is None else None
    return order_report(order, market, client_order_id=client_order_id, fills=fills, status=status)


def order_report(
    order: Order,
    market: Market,
    *,
    client_order_id: str,
    fills: tuple[FillReport, ...],
    status: OrderStatus | None = None,
) -> OrderReport:
    """Turn an order into a report; a reply that names another order is not believed."""
    if order.client_order_id not in {None, client_order_id} or order.symbol != market_code(market):
        raise UnreadableError("the reply is about another order")
    if order.order_id == "":
        raise UnreadableError("an order without an id")
    told = known(ORDER_STATUSES, order.status, "status")
    return OrderReport(
        venue=VENUE,
        market=market,
        side=known(SIDES, order.side, "side"),
        client_order_id=client_order_id,
        venue_order_id=str(order.order_id),
        status=told if status is None else status,
        quantity=or_zero(order.orig_qty, "origQty"),
        executed_quantity=or_zero(order.executed_qty, "executedQty"),
        fills=fills,
        created_at=from_milliseconds(order.time or order.transact_time),
        detail=order.status,
    )


def listed_orders(body: bytes, market: Market, wanted: Collection[str]) -> list[OrderReport]:
    """Read the wanted orders of a market's list, without their fills; what cannot be read is left out."""
    found = []
    for raw in decode(body, list[msgspec.Raw]):
        try:
            order = decode(bytes(raw), Order)
            if order.client_order_id in wanted:
                own_id = order.client_order_id or ""
                found.append(found_order(order, [], market, client_order_id=own_id))
        except UnreadableError:
            continue  # whoever waits for it looks it up by itself in the end
    return found


def order_page(body: bytes, market: Market) -> tuple[list[OrderReport], int, int]:
    """Read a page of a market's orders: those with an id, how many there are, and the last number.

    One that cannot be read makes the page unreadable.
    """
    rows = decode(body, list[Order])
    numbers = [int(row.order_id) for row in rows if str(row.order_id).isdecimal()]
    if len(numbers) != len(rows):
        raise UnreadableError("an order without a number")
    ours = [
        found_order(row, [], market, client_order_id=row.client_order_id)
        for row in rows
        if row.client_order_id
    ]
    return ours, len(rows), max(numbers, default=0)


def trade_page(body: bytes) -> tuple[list[Trade], int]:
    """Read a page of executions, and the last one's number."""
    rows = decode(body, list[Trade])
    numbers = [int(row.id) for row in rows if str(row.id).isdecimal()]
    if len(numbers) != len(rows):
        raise UnreadableError("an execution without a number")
    return rows, max(numbers, default=0)


def _fill(fill: Fill, at: datetime | None) -> FillReport | None:
    """Give a fill, or None if the reply leaves out what the ledger needs."""
    asset, number = fill.commission_asset, fill.trade_id
    if None in {fill.price, fill.qty, fill.commission, number} or not asset or at is None:
        return None
    price, quantity = required(fill.price, "price"), required(fill.qty, "qty")
    return FillReport(
        venue_fill_id=str(number),
        price=price,
        quantity=quantity,
        notional=_product(price, quantity),
        fee=required(fill.commission, "commission"),
        fee_asset=asset,
        at=at,
    )


def _trade(trade: Trade) -> FillReport:
    at = from_milliseconds(trade.time)
    if at is None or not trade.commission_asset:
        raise UnreadableError("a trade without time or commission asset")
    price, quantity = required(trade.price, "price"), required(trade.qty, "qty")
    notional = trade.quote_qty
    return FillReport(
        venue_fill_id=str(trade.id),
        price=price,
        quantity=quantity,
        notional=(
            _product(price, quantity) if notional is None else required(notional, "quoteQty")
        ),
        fee=required(trade.commission, "commission"),
        fee_asset=trade.commission_asset,
        at=at,
    )


def _product(price: Decimal, quantity: Decimal) -> Decimal:
    with localcontext(prec=60):
        return price * quantity


class _Book(msgspec.Struct, rename="camel"):
    bids: list[tuple[Decimal, Decimal]]
    asks: list[tuple[Decimal, Decimal]]
    last_update_id: int | None = None


def book(body: bytes, market: Market, *, depth: int, received_at: datetime) -> Book:
    """Read a book; Binance stamps none. Levels without price or quantity are left out."""
    found = decode(body, _Book)
    return Book(
        venue=VENUE,
        market=market,
        bids=_levels(found.bids, depth),
        asks=_levels(found.asks, depth),
        venue_at=None,
        received_at=received_at,
        update_id=found.last_update_id,
    )


def _levels(rows: list[tuple[Decimal, Decimal]], depth: int) -> tuple[Level, ...]:
    levels = [Level(required(price, "price"), required(size, "qty")) for price, size in rows]
    return tuple(level for level in levels if level.price > ZERO and level.quantity > ZERO)[:depth]


class _Balance(msgspec.Struct):
    asset: str
    free: Decimal | None = None
    locked: Decimal | None = None


class _Account(msgspec.Struct):
    balances: list[_Balance]


def balances(body: bytes) -> dict[str, Balance]:
    """Read the account's balances; assets that hold nothing are left out."""
    rows = [
        Balance(
            asset=row.asset, free=or_zero(row.free, "free"), locked=or_zero(row.locked, "locked")
        )
        for row in decode(body, _Account).balances
    ]
    return {row.asset: row for row in rows if row.free or row.locked}


class _Time(msgspec.Struct, rename="camel"):
    server_time: int


def server_time(body: bytes) -> datetime:
    """Read the venue's clock."""
    at = from_milliseconds(decode(body, _Time).server_time)
    if at is None:
        raise UnreadableError("serverTime is out of range")
    return at
