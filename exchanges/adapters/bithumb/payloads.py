"""Bithumb's states of orders and transfers, and what its replies to orders mean. Pure.

Sources: apidocs.bithumb.com, "Order request", "Single order", "Coin deposits", "Coin withdrawals". Older
states of transfers have been recorded too; a state we do not know makes the reply unreadable.
"""

from __future__ import annotations

from dataclasses import replace

import msgspec

from exchanges.adapters.bithumb.dialect import VENUE
from exchanges.adapters.krw.books import market_of
from exchanges.adapters.krw.orders import Order, as_open, order_report
from exchanges.adapters.krw.transfers import Words
from exchanges.transport.decoding import UnreadableError, instant, known, or_zero
from exchanges.transport.reading import decode
from exchanges.values import (
    ZERO,
    DepositStatus,
    OrderReport,
    OrderRequest,
    OrderStatus,
    WithdrawalStatus,
)

ORDER_STATES = {
    "wait": OrderStatus.OPEN,
    "watch": OrderStatus.OPEN,
    "done": OrderStatus.FILLED,  # or an IOC's rest was cancelled: its volumes tell
    "cancel": OrderStatus.CLOSED,
}
WORDS = Words(
    venue=VENUE,
    withdrawals={
        "WAITING": WithdrawalStatus.PENDING,
        "PROCESSING": WithdrawalStatus.PENDING,
        "DONE": WithdrawalStatus.DONE,
        "CANCELLED": WithdrawalStatus.FAILED,
        "FAILED": WithdrawalStatus.FAILED,
        "REJECTED": WithdrawalStatus.FAILED,
    },
    deposits={
        # Somebody has to apply for it at the venue, to explain it, or to ask for its return.
        "REQUESTED_PENDING": DepositStatus.HELD,
        "REQUESTED_PROCESSING": DepositStatus.HELD,
        "REQUESTED_SYSTEM_REJECTED": DepositStatus.HELD,
        "REQUESTED_ADMIN_REJECTED": DepositStatus.HELD,
        "DEPOSIT_PROCESSING": DepositStatus.PENDING,
        "DEPOSIT_ACCEPTED": DepositStatus.CREDITED,
        "DEPOSIT_CANCELLED": DepositStatus.FAILED,
        "REFUNDING_PENDING": DepositStatus.FAILED,
        "REFUNDING_PROCESSING": DepositStatus.FAILED,
        "REFUNDING_ACCEPTED": DepositStatus.FAILED,
        "REFUNDED_PROCESSING": DepositStatus.FAILED,
        "REFUNDED_ACCEPTED": DepositStatus.FAILED,
        # The return fell through: the coins are still there.
        "REFUNDING_SYSTEM_REJECTED": DepositStatus.HELD,
        "REFUNDING_ADMIN_REJECTED": DepositStatus.HELD,
        "REFUNDED_CANCELLED": DepositStatus.HELD,
        # As Upbit names them.
        "PROCESSING": DepositStatus.PENDING,
        "ACCEPTED": DepositStatus.CREDITED,
        "CANCELLED": DepositStatus.FAILED,
        "REJECTED": DepositStatus.FAILED,
        "TRAVEL_RULE_SUSPECTED": DepositStatus.HELD,
        "REFUNDING": DepositStatus.FAILED,
        "REFUNDED": DepositStatus.FAILED,
    },
)


class _Taken(msgspec.Struct):
    order_id: str
    market: str
    client_order_id: str | None = None
    created_at: str | None = None


def placed_order(body: bytes, request: OrderRequest) -> OrderReport:
    """Read the reply to a new order: it was taken, and nothing is known of it yet, so it is OPEN."""
    taken = decode(body, _Taken)
    is_ours = taken.client_order_id in {None, request.client_order_id}
    if not taken.order_id or not is_ours or market_of(taken.market) != request.market:
        raise UnreadableError("the reply is about another order")
    return OrderReport(
        venue=VENUE,
        market=request.market,
        side=request.side,
        client_order_id=request.client_order_id,
        venue_order_id=taken.order_id,
        status=OrderStatus.OPEN,
        quantity=request.quantity,
        executed_quantity=ZERO,
        fills=(),
        created_at=instant(taken.created_at),
    )


def found_order(body: bytes, *, client_order_id: str) -> OrderReport:
    """Read the reply to a single-order read."""
    return order_as_read(decode(body, Order), client_order_id)


def order_as_read(order: Order, client_order_id: str) -> OrderReport:
    """Turn an order that was read into a report.

    `done` with a rest is an immediate order whose rest was cancelled; `done` with nothing executed is
    believed only if all of it is left, otherwise the order is to be read again.
    """
    status = known(ORDER_STATES, order.state, "state")
    report = order_report(order, VENUE, client_order_id=client_order_id, status=status)
    if status is not OrderStatus.FILLED or report.quantity == report.executed_quantity:
        return report
    rest = or_zero(order.remaining_volume, "remaining_volume")
    if rest and rest + report.executed_quantity == report.quantity:
        return replace(report, status=OrderStatus.CLOSED)
    return report if report.executed_quantity else as_open(report)
