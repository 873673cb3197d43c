"""The user's events: execution reports, balances of the assets touched, deposits and withdrawals."""

from __future__ import annotations

from decimal import Decimal

from exchanges.simulator.core.binance.render import KINDS, force_of, original_quantity, status
from exchanges.simulator.core.numbers import ZERO, fixed8
from exchanges.simulator.core.orders import CANCELLED, FILLED, Fill, Order
from exchanges.simulator.core.streams.hearing import ACCEPTED, CLOSED, FILL, Happening
from exchanges.simulator.core.values import BINANCE
from exchanges.simulator.core.world import World

Event = dict[str, object]


def user_events(world: World, happening: Happening) -> list[Event]:
    """Return what a happening is to the user data stream, in the venue's order."""
    events: list[Event] = []
    if happening.order is None:
        events += [
            _balance_update(world, happening, change.asset, change.free_change)
            for change in happening.changes
            if change.free_change
        ]
    elif not _is_told_already(happening):
        events.append(_execution_report(world, happening, happening.order))
    if happening.changes:
        events.append(_account_position(world, happening))
    return events


def _is_told_already(happening: Happening) -> bool:
    """Say whether the last fill's report said that the order is filled."""
    order = happening.order
    return happening.kind == CLOSED and order is not None and order.state == FILLED


def terminated(world: World) -> Event:
    """Return the event that ends a subscription."""
    return {"e": "eventStreamTerminated", "E": world.venue_ms(BINANCE)}


def _account_position(world: World, happening: Happening) -> Event:
    return {
        "e": "outboundAccountPosition",
        "E": world.venue_ms(BINANCE),
        "u": happening.at_ms,
        "B": [
            {"a": change.asset, "f": fixed8(change.free), "l": fixed8(change.locked)}
            for change in happening.changes
        ],
    }


def _balance_update(world: World, happening: Happening, asset: str, delta: Decimal) -> Event:
    return {
        "e": "balanceUpdate",
        "E": world.venue_ms(BINANCE),
        "a": asset,
        "d": fixed8(delta),
        "T": happening.at_ms,
    }


def _execution_type(happening: Happening, order: Order) -> str:
    known = {ACCEPTED: "NEW", FILL: "TRADE"}.get(happening.kind)
    return known or ("CANCELED" if order.state == CANCELLED else "EXPIRED")


def _execution_report(world: World, happening: Happening, order: Order) -> Event:
    execution = _execution_type(happening, order)
    is_on_book = execution == "NEW" or (execution == "TRADE" and order.has_rested)
    return {
        "e": "executionReport",
        "E": world.venue_ms(BINANCE),
        "s": order.symbol,
        **_client_ids(order, execution),
        **_asked_for(order),
        "x": execution,
        "X": "NEW" if execution == "NEW" else _status(happening, order),
        "r": "NONE",
        "i": int(order.venue_order_id),
        **_last(happening.fill),
        "z": fixed8(order.executed),
        "T": happening.at_ms,
        "I": happening.number,
        "w": is_on_book,
        "M": False,
        "O": order.created_ms,
        "Z": fixed8(order.executed_notional),
        "W": order.created_ms,
        "V": "NONE",
    }


def _client_ids(order: Order, execution: str) -> Event:
    """Return the ids: a cancel has one of its own, beside that of the order."""
    if execution == "CANCELED" and order.cancel_client_id:
        return {"c": order.cancel_client_id, "C": order.client_order_id}
    return {"c": order.client_order_id, "C": ""}


def _asked_for(order: Order) -> Event:
    return {
        "S": order.side.upper(),
        "o": KINDS[order.kind],
        "f": force_of(order),
        "q": fixed8(original_quantity(order)),
        "p": fixed8(ZERO if order.kind == "market" else order.price or ZERO),
        "P": "0.00000000",
        "F": "0.00000000",
        "g": -1,
        "Q": fixed8(order.budget or ZERO),
    }


def _status(happening: Happening, order: Order) -> str:
    """Return the status after the event; a last fill has filled the order before it is closed."""
    is_whole = order.remaining == ZERO and order.budget_left == ZERO
    return "FILLED" if happening.kind == FILL and is_whole else status(order)


def _last(fill: Fill | None) -> Event:
    if fill is None:
        empty = "0.00000000"
        return {"l": empty, "L": empty, "n": "0", "N": None, "t": -1, "m": False, "Y": empty}
    return {
        "l": fixed8(fill.quantity),
        "L": fixed8(fill.price),
        "n": fixed8(fill.fee),
        "N": fill.fee_asset,
        "t": int(fill.venue_trade_id),
        "m": fill.is_maker,
        "Y": fixed8(fill.notional),
    }
