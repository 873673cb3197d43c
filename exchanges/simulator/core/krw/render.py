"""How the Korean venues spell orders, accounts, withdrawals and deposits: what they share of it."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from decimal import Decimal

from exchanges.simulator.core.chain import Deposit, Withdrawal
from exchanges.simulator.core.numbers import ZERO, plain
from exchanges.simulator.core.orders import BUY, CANCELLED, EXPIRED, FILLED, OPEN, Fill, Order
from exchanges.simulator.core.world import World

KST = timezone(timedelta(hours=9))
SIDES = {"bid": "buy", "ask": "sell"}
STATES = {OPEN: "wait", FILLED: "done", CANCELLED: "cancel", EXPIRED: "cancel"}


def moment(at_ms: int) -> str:
    """Write a wall instant in Korean time without fractions."""
    return datetime.fromtimestamp(at_ms // 1000, tz=KST).isoformat()


def order_view(order: Order, *, is_fresh: bool = False) -> dict[str, object]:
    """Return what both show of an order; a fresh one has no fills, as the reply to its creation."""
    held = order.reserved_fee
    executed = ZERO if is_fresh else order.executed
    volume, prevented = order.quantity, ZERO if is_fresh else order.prevented_quantity
    state = "wait" if is_fresh else STATES[order.state]
    fee = ZERO if is_fresh else order.fee
    return {
        "uuid": order.venue_order_id,
        "side": "bid" if order.side == BUY else "ask",
        "ord_type": order.kind,
        "price": _price(order),
        "state": state,
        "market": order.symbol,
        "created_at": moment(order.created_ms),
        "volume": None if volume is None else plain(volume),
        "remaining_volume": None if volume is None else plain(volume - executed - prevented),
        "reserved_fee": plain(held),
        "remaining_fee": plain(max(held - fee, ZERO) if state != "done" else ZERO),
        "paid_fee": plain(fee),
        "locked": plain(_fresh_lock(order) if is_fresh else locked_of(order)),
        "executed_volume": plain(executed),
        "trades_count": 0 if is_fresh else len(order.fills),
        **forced(order),
    }


def forced(order: Order) -> dict[str, object]:
    """Return the time in force where one was asked for."""
    is_asked = order.time_in_force in {"ioc", "fok", "post_only"}
    shows = is_asked and order.kind in {"limit", "best"}
    return {"time_in_force": order.time_in_force} if shows else {}


def _price(order: Order) -> str | None:
    price = order.price if order.budget is None else order.budget
    return None if price is None else plain(price)


def locked_of(order: Order) -> Decimal:
    """Return what an order holds, or held when it was cancelled."""
    return order.held if order.state == OPEN else order.shown_locked


def _fresh_lock(order: Order) -> Decimal:
    if order.side != BUY:
        return order.quantity or ZERO
    notional = order.budget
    if notional is None:
        notional = (order.price or ZERO) * (order.quantity or ZERO)
    return notional + order.reserved_fee


def trade_view(order: Order, fill: Fill) -> dict[str, object]:
    """Return one execution; it names no fee."""
    return {
        "market": order.symbol,
        "uuid": fill.venue_trade_id,
        "price": plain(fill.price),
        "volume": plain(fill.quantity),
        "funds": plain(fill.notional),
        "created_at": moment(fill.at_ms),
        "side": "bid" if order.side == BUY else "ask",
    }


def account_view(world: World, venue: str, asset: str, lag_ms: int = 0) -> dict[str, object]:
    """Return one currency of the account, as it was `lag_ms` of wall time ago."""
    since = world.wall_ms - lag_ms if lag_ms else world.wall_ms + 1
    return {
        "currency": asset,
        "balance": plain(world.vault.held_before(f"{venue}.free", asset, since)),
        "locked": plain(world.vault.held_before(f"{venue}.locked", asset, since)),
        "avg_buy_price": "0",
        "avg_buy_price_modified": asset == "KRW",
        "unit_currency": "KRW",
    }


def withdrawal_view(row: Withdrawal, state: str) -> dict[str, object]:
    """Return a withdrawal in a state as the venue calls it; `amount` excludes the fee."""
    return {
        "type": "withdraw",
        "uuid": row.venue_withdrawal_id,
        "currency": row.asset,
        "net_type": row.network,
        "txid": row.txid,
        "state": state,
        "created_at": moment(row.created_ms),
        "done_at": None if row.done_ms is None else moment(row.done_ms),
        "amount": plain(row.quantity),
        "fee": plain(row.fee),
    }


def deposit_view(row: Deposit, state: str) -> dict[str, object]:
    """Return a deposit in a state as the venue calls it."""
    return {
        "type": "deposit",
        "uuid": row.venue_deposit_id,
        "currency": row.asset,
        "net_type": row.network,
        "txid": row.txid,
        "state": state,
        "created_at": moment(row.created_ms),
        "done_at": moment(row.done_ms) if row.done_ms is not None else None,
        "amount": plain(row.quantity),
    }
