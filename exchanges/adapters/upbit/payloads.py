"""Upbit's states of orders and transfers, and what its replies to orders mean. Pure.

A state we do not know makes the whole reply unreadable.
"""

from __future__ import annotations

from exchanges.adapters.krw.orders import Order, as_open, order_report
from exchanges.adapters.krw.transfers import Words
from exchanges.adapters.upbit.dialect import VENUE
from exchanges.transport.decoding import known
from exchanges.transport.reading import decode
from exchanges.values import DepositStatus, OrderReport, OrderStatus, WithdrawalStatus

ORDER_STATES = {
    "wait": OrderStatus.OPEN,
    "watch": OrderStatus.OPEN,
    "done": OrderStatus.FILLED,
    "cancel": OrderStatus.CLOSED,  # the normal end of an IOC, fills or none
}
SUSPECTED = "TRAVEL_RULE_SUSPECTED"  # until Upbit is told which venue it came from
WORDS = Words(
    venue=VENUE,
    withdrawals={
        "WAITING": WithdrawalStatus.PENDING,
        "PROCESSING": WithdrawalStatus.PENDING,
        "DONE": WithdrawalStatus.DONE,
        "FAILED": WithdrawalStatus.FAILED,
        "CANCELLED": WithdrawalStatus.FAILED,
        "REJECTED": WithdrawalStatus.FAILED,
    },
    deposits={
        "PROCESSING": DepositStatus.PENDING,
        "ACCEPTED": DepositStatus.CREDITED,
        SUSPECTED: DepositStatus.HELD,
        "REFUNDING": DepositStatus.FAILED,
        "REFUNDED": DepositStatus.FAILED,
        "CANCELLED": DepositStatus.FAILED,
        "REJECTED": DepositStatus.FAILED,
    },
    wants_sender=SUSPECTED,
)


def placed_order(body: bytes, *, client_order_id: str) -> OrderReport:
    """Read the reply to a new order.

    It may lack fills even of an order that filled at once, so a state that claims an end is believed
    only if it shows every fill; otherwise the order counts as OPEN, and the caller reads it again.
    """
    report = _report(decode(body, Order), client_order_id)
    return report if report.fills and report.is_final else as_open(report)


def found_order(body: bytes, *, client_order_id: str) -> OrderReport:
    """Read the reply to a single-order read."""
    return order_as_read(decode(body, Order), client_order_id)


def order_as_read(order: Order, client_order_id: str) -> OrderReport:
    """Turn an order that was read into a report; FILLED with nothing executed is to be read again."""
    report = _report(order, client_order_id)
    is_contradictory = report.status is OrderStatus.FILLED and not report.executed_quantity
    return as_open(report) if is_contradictory else report


def _report(order: Order, client_order_id: str) -> OrderReport:
    status = known(ORDER_STATES, order.state, "state")
    return order_report(order, VENUE, client_order_id=client_order_id, status=status)
