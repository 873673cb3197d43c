"""Orders as the Korean venues' single-order read tells them, turned into our values. Pure.

Fields may be quoted numbers, bare numbers, null or absent; unknown ones are ignored. Instants carry
+09:00 and become UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal, localcontext

import msgspec

from exchanges.adapters.krw.books import market_of
from exchanges.transport.decoding import UnreadableError, instant, known, or_zero, required
from exchanges.transport.reading import decode
from exchanges.values import ZERO, FillReport, Market, OrderReport, OrderStatus, Side

FEE_QUANTUM = Decimal("1e-18")
SIDES = {"bid": Side.BUY, "ask": Side.SELL}


class Trade(msgspec.Struct):
    """One execution; no fee is named per trade."""

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
    identifier: str | None = None  # our id at Upbit
    client_order_id: str | None = None  # our id at Bithumb
    created_at: str | None = None
    volume: Decimal | None = None
    remaining_volume: Decimal | None = None
    executed_volume: Decimal | None = None
    paid_fee: Decimal | None = None
    trades: list[Trade] | None = None


def order_report(
    order: Order, venue: str, *, client_order_id: str, status: OrderStatus
) -> OrderReport:
    """Turn an order into a report; a reply that names another id of ours is not believed."""
    told = {order.identifier, order.client_order_id} - {None}
    if not order.uuid or told - {client_order_id}:
        raise UnreadableError("the reply is about another order")
    market = market_of(order.market)
    return OrderReport(
        venue=venue,
        market=market,
        side=known(SIDES, order.side, "side"),
        client_order_id=client_order_id,
        venue_order_id=order.uuid,
        status=status,
        quantity=or_zero(order.volume, "volume"),
        executed_quantity=or_zero(order.executed_volume, "executed_volume"),
        fills=_fills(order, market),
        created_at=instant(order.created_at),
        detail=order.state,
    )


def listed_orders(body: bytes, read: Callable[[Order, str], OrderReport]) -> list[OrderReport]:
    """Read a list of orders that bear an id of ours; what cannot be read is left out."""
    found = []
    for raw in decode(body, list[msgspec.Raw]):
        try:
            order = decode(bytes(raw), Order)
            own_id = order.identifier or order.client_order_id
            if own_id:
                found.append(read(order, own_id))
        except UnreadableError:
            continue  # whoever waits for it looks it up by itself in the end
    return found


def order_page(
    body: bytes, read: Callable[[Order, str], OrderReport]
) -> tuple[list[OrderReport], list[datetime]]:
    """Read a page of orders: those with an id of ours, and when each of them all was placed.

    One that cannot be read makes the page unreadable.
    """
    rows = decode(body, list[Order])
    placed = [instant(row.created_at) for row in rows]
    ours = [(row, row.identifier or row.client_order_id) for row in rows]
    if None in placed:
        raise UnreadableError("an order without an instant")
    reports = [read(row, own_id) for row, own_id in ours if own_id]
    return reports, [at for at in placed if at is not None]


def as_open(report: OrderReport) -> OrderReport:
    """Give the report as that of an order to be read again."""
    return replace(report, status=OrderStatus.OPEN)


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


def shares_of_fee(paid_fee: Decimal, notionals: Sequence[Decimal]) -> list[Decimal]:
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
