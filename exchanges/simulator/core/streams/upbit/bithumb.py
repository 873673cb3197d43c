"""Bithumb's private messages (v2): its own names, sides in words, what has no value left out."""

from __future__ import annotations

from decimal import Decimal

from exchanges.simulator.core.numbers import ZERO
from exchanges.simulator.core.orders import BUY, EXPIRED, FILLED, OPEN, Fill, Order
from exchanges.simulator.core.streams.hearing import ACCEPTED, FILL, Happening
from exchanges.simulator.core.streams.upbit.names import ALWAYS, Names
from exchanges.simulator.core.streams.upbit.private import condition_of
from exchanges.simulator.core.streams.upbit.views import REALTIME, Message
from exchanges.simulator.core.world import World

MY_ORDER_NAMES: Names = ALWAYS | {
    "order_id": "oid", "client_order_id": "coid", "side": "sd", "order_type": "ot", "state": "s",
    "time_in_force": "tif", "order_price": "op", "order_quantity": "oq", "order_amount": "oa",
    "trade_id": "tid", "trade_price": "tp", "trade_quantity": "tq", "trade_amount": "ta",
    "executed_quantity": "eq", "executed_amount": "ea", "remaining_quantity": "rq",
    "reserved_fee": "rsf", "remaining_fee": "rmf", "paid_fee": "pf", "cancel_type": "ct",
    "trade_timestamp": "ttms", "order_timestamp": "otms",
}  # fmt: skip


def my_order(world: World, happening: Happening, order: Order) -> Message:
    """Return an order's event; the order's own figures and the fill's stand beside each other."""
    state = _state(happening, order)
    message: Message = {
        "type": "myOrder",
        "stream_type": REALTIME,
        "code": order.symbol,
        "order_id": order.venue_order_id,
        "client_order_id": order.client_order_id,
        "side": order.side,
        "order_type": order.kind,
        "state": state,
        "time_in_force": condition_of(order),
        "order_price": order.price if order.kind == "limit" else ZERO,
        "order_quantity": order.quantity or ZERO,
        "order_amount": _amount(order),
        **_traded(happening.fill),
        "remaining_quantity": order.remaining,
        "executed_quantity": order.executed,
        "executed_amount": order.executed_notional,
        "reserved_fee": order.reserved_fee,
        "remaining_fee": ZERO if order.state == FILLED else _fee_left(order),
        "paid_fee": order.fee,
        "cancel_type": "tif_cancel" if state == "cancel" and condition_of(order) else None,
        "order_timestamp": order.created_ms,
        "timestamp": world.wall_ms,
    }
    return {name: value for name, value in message.items() if value is not None}


def _state(happening: Happening, order: Order) -> str:
    """Name the event; what was left of an immediate order counts as done if anything executed."""
    if happening.kind == FILL:
        return "trade"
    if happening.kind == ACCEPTED or order.state == OPEN:
        return "wait"
    is_done = order.state == FILLED or (order.state == EXPIRED and order.executed)
    return "done" if is_done else "cancel"


def _amount(order: Order) -> Decimal:
    """Return what was ordered in won; nothing of a sale without a price."""
    if order.budget is not None:
        return order.budget
    return ZERO if order.price is None else order.price * (order.quantity or ZERO)


def _fee_left(order: Order) -> Decimal:
    return max(order.reserved_fee - order.fee, ZERO) if order.side == BUY else ZERO


def _traded(fill: Fill | None) -> Message:
    if fill is None:
        return {}
    return {
        "trade_id": fill.venue_trade_id,
        "trade_price": fill.price,
        "trade_quantity": fill.quantity,
        "trade_amount": fill.notional,
        "trade_timestamp": fill.at_ms,
    }
