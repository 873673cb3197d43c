"""How Bithumb spells orders and transfers: v1 and v2 beside each other, ids of its own."""

from __future__ import annotations

from exchanges.simulator.core import chain
from exchanges.simulator.core.chain import Deposit, Withdrawal
from exchanges.simulator.core.krw import render
from exchanges.simulator.core.numbers import plain
from exchanges.simulator.core.orders import EXPIRED, Order

# Nothing else of an order may differ between the two spellings.
_V2 = {"uuid": "order_id", "ord_type": "order_type"}
WITHDRAWAL_STATES = {
    chain.WAITING: "PROCESSING",
    chain.PROCESSING: "PROCESSING",
    chain.DONE: "DONE",
    chain.FAILED: "CANCELLED",
    chain.CANCELLED: "CANCELLED",
    chain.REJECTED: "CANCELLED",
}
DEPOSIT_STATES = {
    chain.PENDING: "DEPOSIT_PROCESSING",
    chain.HELD: "REQUESTED_PENDING",  # somebody must apply for it on the venue's site
    chain.CREDITED: "DEPOSIT_ACCEPTED",
    chain.REFUNDING: "REFUNDING_PROCESSING",
    chain.REFUNDED: "REFUNDED_ACCEPTED",
}
_SELF_TRADES = {"stp_type": "cancel_taker"}


def state_of(order: Order) -> str:
    """Name the state; what was left of an immediate order counts as done if anything executed."""
    if order.state == EXPIRED and order.executed:
        return "done"
    return render.STATES[order.state]


def _own(order: Order) -> dict[str, object]:
    client_id = order.client_order_id
    return {} if client_id is None else {"client_order_id": client_id}


def accepted_view(order: Order) -> dict[str, object]:
    """Return what the reply to a new order says: that it was taken, nothing of what became of it."""
    return {
        "order_id": order.venue_order_id,
        "market": order.symbol,
        "side": "bid" if order.side == "buy" else "ask",
        "order_type": order.kind,
        "created_at": render.moment(order.created_ms),
        **render.forced(order),
        **_own(order),
        **_SELF_TRADES,
    }


def cancelled_view(order: Order) -> dict[str, object]:
    """Return what the reply to a cancel says."""
    created_at = render.moment(order.created_ms)
    return {"order_id": order.venue_order_id, "created_at": created_at, **_own(order)}


def order_view(order: Order) -> dict[str, object]:
    """Return an order in v1's spelling."""
    funds = {"executed_funds": plain(order.executed_notional), "state": state_of(order)}
    return {**render.order_view(order), **funds, **_own(order), **_SELF_TRADES}


def order_view_v2(order: Order) -> dict[str, object]:
    """Return an order in v2's spelling."""
    return {_V2.get(name, name): value for name, value in order_view(order).items()}


def order_with_trades(order: Order) -> dict[str, object]:
    """Return an order with its trades, as the single-order read does."""
    return {**order_view(order), "trades": [render.trade_view(order, f) for f in order.fills]}


def withdrawal_state(row: Withdrawal) -> str:
    """Name the state: Bithumb has three."""
    return WITHDRAWAL_STATES[row.state]


def withdrawal_view(row: Withdrawal) -> dict[str, object]:
    """Return a withdrawal."""
    return {**render.withdrawal_view(row, withdrawal_state(row)), "transaction_type": None}


def deposit_state(row: Deposit) -> str:
    """Name the state."""
    return DEPOSIT_STATES[row.state]


def deposit_view(row: Deposit) -> dict[str, object]:
    """Return a deposit."""
    return {**render.deposit_view(row, deposit_state(row)), "fee": "0", "transaction_type": None}
