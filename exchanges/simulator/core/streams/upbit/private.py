"""What the private streams tell: the account's orders with their fills, and its assets."""

from __future__ import annotations

import hashlib
from decimal import Decimal

from exchanges.simulator.core.krw.render import locked_of
from exchanges.simulator.core.numbers import EIGHT_PLACES, ZERO, floor_to
from exchanges.simulator.core.orders import BUY, FILLED, Fill, Order
from exchanges.simulator.core.streams.hearing import ACCEPTED, FILL, PREVENTED, Happening
from exchanges.simulator.core.streams.upbit.views import REALTIME, Message
from exchanges.simulator.core.world import World

_CONDITIONS = {"ioc", "fok", "post_only"}


def state_of(happening: Happening) -> str:
    """Name the event: wait, trade, prevented, done or cancel."""
    named = {ACCEPTED: "wait", FILL: "trade", PREVENTED: "prevented"}.get(happening.kind)
    if named is not None or happening.order is None:
        return named or ""
    return "done" if happening.order.state == FILLED else "cancel"


def condition_of(order: Order) -> str | None:
    """Return the time in force as the venue says it, None for an ordinary order."""
    has_one = order.kind in {"limit", "best"} and order.time_in_force in _CONDITIONS
    return order.time_in_force if has_one else None


def average_price(order: Order) -> Decimal:
    """Return the mean price of what was executed, zero before that."""
    if not order.executed:
        return ZERO
    return floor_to(order.executed_notional / order.executed, EIGHT_PLACES)


def my_order(world: World, happening: Happening, order: Order) -> Message:
    """Return an order's event; price and volume are the fill's while the state is `trade`."""
    return {
        "type": "myOrder",
        "code": order.symbol,
        "uuid": order.venue_order_id,
        "ask_bid": "BID" if order.side == BUY else "ASK",
        "order_type": order.kind,
        "state": state_of(happening),
        **(_asked_for(order) if happening.fill is None else _traded(happening.fill)),
        **_so_far(order),
        "time_in_force": condition_of(order),
        "identifier": order.client_order_id,
        "smp_type": order.smp_type or None,
        "prevented_volume": order.prevented_quantity,
        "prevented_locked": order.prevented_locked,
        "order_timestamp": order.created_ms,
        "timestamp": world.wall_ms,
        "stream_type": REALTIME,
    }


def _asked_for(order: Order) -> Message:
    price = order.price if order.budget is None else order.budget
    not_traded = dict.fromkeys(("trade_uuid", "trade_fee", "is_maker", "trade_timestamp"))
    return {"price": price, "volume": order.quantity, **not_traded}


def _traded(fill: Fill) -> Message:
    return {
        "trade_uuid": fill.venue_trade_id,
        "price": fill.price,
        "volume": fill.quantity,
        "trade_fee": fill.fee,
        "is_maker": fill.is_maker,
        "trade_timestamp": fill.at_ms,
    }


def _so_far(order: Order) -> Message:
    fee_left = max(order.reserved_fee - order.fee, ZERO)
    return {
        "avg_price": average_price(order),
        "remaining_volume": order.remaining,
        "executed_volume": order.executed,
        "trades_count": len(order.fills),
        "reserved_fee": order.reserved_fee,
        "remaining_fee": ZERO if order.state == FILLED else fee_left,
        "paid_fee": order.fee,
        "locked": locked_of(order),
        "executed_funds": order.executed_notional,
    }


def my_asset(world: World, happening: Happening) -> Message:
    """Return what an event left of the assets it touched."""
    digest = hashlib.sha256(f"asset:{world.seed}:{happening.number}".encode()).hexdigest()
    parts = (digest[:8], digest[8:12], f"4{digest[13:16]}", f"a{digest[17:20]}", digest[20:32])
    return {
        "type": "myAsset",
        "asset_uuid": "-".join(parts),
        "assets": [
            {"currency": change.asset, "balance": change.free, "locked": change.locked}
            for change in happening.changes
        ],
        "asset_timestamp": happening.at_ms,
        "timestamp": world.wall_ms,
        "stream_type": REALTIME,
    }
