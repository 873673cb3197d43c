"""Upbit's order routes about several orders: cancels in bulk, and cancel-and-new."""

from __future__ import annotations

from collections.abc import Iterable

from exchanges.simulator.core import matching
from exchanges.simulator.core.krw import orders as won
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import invalid, missing, refuse
from exchanges.simulator.core.numbers import plain
from exchanges.simulator.core.orders import BUY, CANCELLED, OPEN, Order
from exchanges.simulator.core.upbit import orders
from exchanges.simulator.core.values import UPBIT, Reply, json_reply
from exchanges.simulator.core.world import World

_MOST_IDS = 20
_MOST_OPEN = 300
_NEW = ("ord_type", "price", "volume", "time_in_force", "smp_type", "identifier")
_REMAINDER = "remain_only"


def cancel_by_ids(world: World, params: Params) -> Reply:
    """Cancel up to 20 orders by uuids or identifiers; what cannot be cancelled is told apart."""
    log = world.orders[UPBIT]
    uuids, identifiers = params.many("uuids"), params.many("identifiers")
    asked = uuids or identifiers
    if not asked or (uuids and identifiers) or len(asked) > _MOST_IDS:
        raise invalid("uuids")
    found = [log.by_id[uuid] for uuid in uuids if uuid in log.by_id]
    found += [order for name in identifiers for order in log.by_client.get(name, [])]
    return _cancelled(world, found)


def cancel_open(world: World, params: Params) -> Reply:
    """Cancel open orders by side and pairs, 20 unless more are asked for, newest first."""
    count = params.whole("count", 20, _MOST_OPEN)
    rows = [order for order in world.orders[UPBIT].open_orders() if _is_meant(order, params)]
    if params.get("order_by") != "asc":
        rows.reverse()
    return _cancelled(world, rows[:count])


def _is_meant(order: Order, params: Params) -> bool:
    side, own = params.get("cancel_side") or "all", "bid" if order.side == BUY else "ask"
    pairs, excluded = params.many("pairs"), params.many("excluded_pairs")
    quotes = params.many("quote_currencies")
    return (
        side in {"all", own}
        and (not pairs or order.symbol in pairs)
        and order.symbol not in excluded
        and (not quotes or order.symbol.partition("-")[0] in quotes)
    )


def _cancelled(world: World, rows: Iterable[Order]) -> Reply:
    done: list[dict[str, object]] = []
    failed: list[dict[str, object]] = []
    for order in rows:
        (done if order.state == OPEN else failed).append(_named(order))
        matching.close(world, world.markets[UPBIT, order.symbol], order, CANCELLED)
    return json_reply(
        {
            "success": {"count": len(done), "orders": done},
            "failed": {"count": len(failed), "orders": failed},
        }
    )


def _named(order: Order) -> dict[str, object]:
    named: dict[str, object] = {"uuid": order.venue_order_id, "market": order.symbol}
    if order.client_order_id is not None:
        named["identifier"] = order.client_order_id
    return named


def cancel_and_new(world: World, params: Params) -> Reply:
    """Cancel an order, then place another on the same market and side; reply with the cancelled one.

    A new order that makes no sense is refused first. One that only lacks funds is refused after
    the cancel, which stands.
    """
    old = won.find(world, _previous(params), orders.NAMES)
    if old.state != OPEN:
        raise refuse("order_not_found", "이미 체결되었거나 취소된 주문입니다.")
    order, market = orders.checked(world, _replacement(old, params))
    orders.burn_identifier(world, order.client_order_id)
    matching.close(world, market, old, CANCELLED)
    won.check_funds(world, market, order)
    orders.place(world, market, order)
    made = {
        "new_order_uuid": order.venue_order_id,
        "new_order_identifier": order.client_order_id,
    }
    return json_reply({**orders.order_view(old), **made}, 201)


def _previous(params: Params) -> Params:
    names = (("uuid", "prev_order_uuid"), ("identifier", "prev_order_identifier"))
    given = {name: [value] for name, asked in names if (value := params.get(asked)) is not None}
    if not given:
        raise missing("prev_order_uuid or prev_order_identifier")
    return Params(UPBIT, given)


def _replacement(old: Order, params: Params) -> Params:
    given = {"market": [old.symbol], "side": ["bid" if old.side == BUY else "ask"]}
    for name in _NEW:
        value = params.get(f"new_{name}")
        if value is not None:
            given[name] = [plain(old.remaining) if value == _REMAINDER else value]
    return Params(UPBIT, given)
