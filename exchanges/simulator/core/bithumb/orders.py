"""Bithumb's order routes: taken first and answered for later, our id unique while it is known.

The reply to a new order shows nothing of its fills, and for a while afterwards the order can
neither be read nor cancelled (422 `order_not_ready`), though it is there.
"""

from __future__ import annotations

import re

from exchanges.simulator.core import matching
from exchanges.simulator.core.bithumb import render
from exchanges.simulator.core.bithumb.refusals import in_own_words
from exchanges.simulator.core.krw import orders as won
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import NamedRefusalError, invalid, refuse
from exchanges.simulator.core.numbers import plain
from exchanges.simulator.core.orders import BUY, OPEN, Order
from exchanges.simulator.core.values import BITHUMB, Reply, json_reply
from exchanges.simulator.core.world import World

BATCH_LIMIT = 20
CANCELS_LIMIT = 30
_CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
_V1 = won.Names(kind="ord_type", venue_id="uuid", client_id="client_order_id")
_V2 = won.Names(kind="order_type", venue_id="order_id", client_id="client_order_id")


def create(world: World, params: Params) -> Reply:
    """Take an order (201) or refuse it."""
    return json_reply(render.accepted_view(_taken(world, params)), 201)


def _taken(world: World, params: Params) -> Order:
    client_id = params.get("client_order_id")
    if client_id is not None and not _CLIENT_ID.fullmatch(client_id):
        raise invalid("client_order_id")
    order, market = won.checked(world, params, _V2)
    known = world.orders[BITHUMB].by_client.get(client_id or "")
    if known and world.settings.returns_known_orders:
        return known[0]
    if known:
        raise refuse("duplicate_client_order_id", "이미 사용된 client_order_id입니다.")
    _check_own_orders(world, order)
    won.check_funds(world, market, order)
    order.venue_order_id = world.new_order_number(BITHUMB)
    matching.submit(world, market, order)
    return order


def _check_own_orders(world: World, order: Order) -> None:
    """Refuse an order that would trade with one of the account's own."""
    for other in world.orders[BITHUMB].open_orders():
        if (other.symbol, other.side) == (order.symbol, order.side) or other.price is None:
            continue
        is_met = order.price is None or (
            other.price <= order.price if order.side == BUY else other.price >= order.price
        )
        if other.symbol == order.symbol and is_met:
            raise refuse("cross_trading", f"제출된 주문ID: [{other.venue_order_id}]")


def create_batch(world: World, params: Params) -> Reply:
    """Take up to twenty orders, each on its own: some may be refused."""
    if not 1 <= len(params.rows) <= BATCH_LIMIT:
        raise invalid("batch_orders")
    return json_reply({"batch_orders_response": [_tried(world, row) for row in params.rows]}, 201)


def _tried(world: World, params: Params) -> dict[str, object]:
    try:
        return render.accepted_view(_taken(world, params))
    except NamedRefusalError as refusal:
        own = in_own_words(refusal)
        told = {"name": own.name, "message": own.message}
        return {"client_order_id": params.get("client_order_id"), **told}


def _ready(world: World, params: Params, names: won.Names) -> Order:
    """Return the order that is asked for, once it may be asked for."""
    order = won.find(world, params, names)
    if order.created_ms > world.wall_ms - world.settings.not_ready_wall_ms:
        raise refuse("order_not_ready")
    return order


def read(world: World, params: Params) -> Reply:
    """Return one order with its trades."""
    return json_reply(render.order_with_trades(_ready(world, params, _V1)))


def cancel(world: World, params: Params) -> Reply:
    """Accept a cancel."""
    return json_reply(render.cancelled_view(_cancelled(world, params)))


def _cancelled(world: World, params: Params) -> Order:
    order = _ready(world, params, _V2)
    if order.state != OPEN:
        raise refuse("order_not_found")
    won.end(world, order)
    return order


def cancel_batch(world: World, params: Params) -> Reply:
    """Accept up to thirty cancels, by ids of one kind."""
    asked = [
        (name, value)
        for name in ("order_id", "client_order_id")
        for value in params.many(f"{name}s")
    ]
    if not 1 <= len(asked) <= CANCELS_LIMIT:
        raise invalid("order_ids")
    done, failed = [], []
    for name, value in asked:
        try:
            order = _cancelled(world, Params(BITHUMB, {name: [value]}))
            done.append(render.cancelled_view(order))
        except NamedRefusalError as refusal:
            error = {"name": refusal.name, "message": refusal.message}
            failed.append({name: value, "error": error})
    return json_reply({"success": done, "fail": failed})


def list_orders(world: World, params: Params) -> Reply:
    """Return a page of orders in v1's spelling, open ones unless asked otherwise."""
    states = params.many("states") or [params.get("state") or "wait"]
    ids, own_ids = set(params.many("uuids")), set(params.many("client_order_ids"))
    rows = [
        order
        for order in world.orders[BITHUMB].by_id.values()
        if render.state_of(order) in states
        and won.is_of(order, params)
        and (not ids or order.venue_order_id in ids)
        and (not own_ids or order.client_order_id in own_ids)
    ]
    limit, page = params.whole("limit", 100, 100), params.whole("page", 1, 1_000_000)
    shown = won.in_order(rows, params)[(page - 1) * limit : page * limit]
    return json_reply([render.order_view(order) for order in shown])


def list_pending(world: World, params: Params) -> Reply:
    """Return open orders, 100 at most, with the key of the next page."""
    return _keyed_page(won.still_open(world, params), params, 100)


def list_history(world: World, params: Params) -> Reply:
    """Return closed orders of at most seven days, 1000 at most, with the key of the next page."""
    states = params.many("states") or params.many("state")
    return _keyed_page(won.closed(world, params, states, render.state_of), params, 1000)


def _keyed_page(rows: list[Order], params: Params, limit_cap: int) -> Reply:
    limit, key = params.whole("limit", 100, limit_cap), params.get("next_key")
    ordered = won.in_order(rows, params)
    numbers = [order.venue_order_id for order in ordered]
    begin = numbers.index(key) + 1 if key in numbers else 0
    shown = ordered[begin : begin + limit]
    has_next = begin + limit < len(ordered)
    return json_reply(
        {
            "data": [render.order_view_v2(order) for order in shown],
            "has_next": has_next,
            "next_key": shown[-1].venue_order_id if has_next else None,
        }
    )


def chance(world: World, params: Params) -> Reply:
    """Return a market's fees, limits and price step, and the account's side of it."""
    market = won.listed_market(world, params)
    unit = plain(world.price_step(market, world.book(market).price))
    return json_reply(won.chance_view(world, market, price_unit=unit))
