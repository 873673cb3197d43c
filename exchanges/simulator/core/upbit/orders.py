"""Upbit's order routes: the identifier burned for ever, reads, cancels."""

from __future__ import annotations

from exchanges.simulator.core import matching, self_trades
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.krw import orders as won, render
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import invalid, refuse
from exchanges.simulator.core.numbers import ZERO, plain
from exchanges.simulator.core.orders import BUY, OPEN, Order
from exchanges.simulator.core.values import UPBIT, Reply, json_reply
from exchanges.simulator.core.world import World

IDENTIFIER_LIMIT = 64
NAMES = won.Names(kind="ord_type", venue_id="uuid", client_id="identifier")


def create(world: World, params: Params) -> Reply:
    """Accept an order (201, usually no fills shown) or refuse it."""
    order, market = checked(world, params)
    burn_identifier(world, order.client_order_id)
    won.check_funds(world, market, order)
    place(world, market, order)
    is_fresh = not world.settings.upbit_reply_has_fills
    return json_reply(order_view(order, is_fresh=is_fresh), 201)


def place(world: World, market: Market, order: Order) -> None:
    """Accept an order that passed every check, and execute what no rule keeps from it."""
    order.venue_order_id = world.new_uuid()
    matching.accept(world, market, order)
    if order.smp_type:
        self_trades.prevent(world, market, order)
    if order.state == OPEN:
        matching.execute(world, market, order)


def create_test(world: World, params: Params) -> Reply:
    """Check an order without placing it."""
    order, market = checked(world, params)
    won.check_funds(world, market, order)
    order.venue_order_id = "00000000-0000-4000-a000-000000000000"
    return json_reply(order_view(order, is_fresh=True), 201)


def checked(world: World, params: Params) -> tuple[Order, Market]:
    """Read an order and check everything but the identifier and the balance."""
    if len(params.get("identifier") or "") > IDENTIFIER_LIMIT:
        raise invalid("identifier")
    smp_type = _read_smp_type(params)
    order, market = won.checked(world, params, NAMES)
    order.smp_type = smp_type
    _check_band(world, market, order)
    return order, market


def _read_smp_type(params: Params) -> str:
    smp_type, force = params.get("smp_type") or "", params.get("time_in_force")
    if smp_type and (smp_type not in self_trades.RULES or force == "post_only"):
        raise invalid("smp_type")
    return smp_type


def _check_band(world: World, market: Market, order: Order) -> None:
    band = world.settings.upbit_price_band
    if order.price is None or band is None:
        return
    last = world.book(market).price
    if abs(order.price - last) > last * band:
        name = "over" if order.price > last else "under"
        side = "bid" if order.side == BUY else "ask"
        raise refuse(f"{name}_price_limit_{side}", "주문가격이 제한폭을 벗어났습니다.")


def burn_identifier(world: World, identifier: str | None) -> None:
    """Refuse a used identifier; burn a new one for ever, even if the order fails after this."""
    if identifier is None:
        return
    burned = world.orders[UPBIT].burned
    if identifier in burned:
        name = world.settings.duplicate_identifier_name
        raise refuse(name, "이미 사용된 identifier입니다.")
    burned.add(identifier)
    world.fact("identifier_burned", venue=UPBIT, client_order_id=identifier)


def order_view(order: Order, *, is_fresh: bool = False) -> dict[str, object]:
    """Return an order as Upbit spells it; a fresh one shows no fills."""
    prevented = (ZERO, ZERO) if is_fresh else (order.prevented_quantity, order.prevented_locked)
    view = render.order_view(order, is_fresh=is_fresh)
    view |= {"prevented_volume": plain(prevented[0]), "prevented_locked": plain(prevented[1])}
    if order.smp_type:
        view["smp_type"] = order.smp_type
    if order.client_order_id is not None:
        view["identifier"] = order.client_order_id
    return view


def read(world: World, params: Params) -> Reply:
    """Return one order with its trades."""
    order = won.find(world, params, NAMES)
    trend = {"trend": "up" if order.side == BUY else "down"}
    trades = [{**render.trade_view(order, fill), **trend} for fill in order.fills]
    return json_reply({**order_view(order), "trades": trades})


def cancel(world: World, params: Params) -> Reply:
    """Accept a cancel; the reply still shows the order as waiting."""
    order = won.find(world, params, NAMES)
    if order.state != OPEN:
        raise refuse("order_not_found", "이미 체결되었거나 취소된 주문입니다.")
    shown = order_view(order)
    won.end(world, order)
    return json_reply(shown)


def list_open(world: World, params: Params) -> Reply:
    """Return a page of open orders."""
    return _page(won.still_open(world, params), params, 100)


def list_closed(world: World, params: Params) -> Reply:
    """Return closed orders of a window of at most seven days."""
    states = params.many("states") or params.many("state")
    rows = won.closed(world, params, states, lambda order: render.STATES[order.state])
    return _page(rows, params, 1000)


def _page(rows: list[Order], params: Params, limit_cap: int) -> Reply:
    limit, page = params.whole("limit", 100, limit_cap), params.whole("page", 1, 1_000_000)
    shown = won.in_order(rows, params)[(page - 1) * limit : page * limit]
    return json_reply([order_view(order) for order in shown])


def list_by_ids(world: World, params: Params) -> Reply:
    """Return orders by up to 100 uuids or identifiers."""
    log = world.orders[UPBIT]
    uuids, identifiers = params.many("uuids"), params.many("identifiers")
    if not (uuids or identifiers) or len(uuids) > 100 or len(identifiers) > 100:
        raise invalid("uuids")
    since = world.wall_ms - world.read_lag_ms(UPBIT)
    rows = [log.by_id[uuid] for uuid in uuids if uuid in log.by_id]
    if not uuids:
        rows = [order for name in identifiers for order in log.by_client.get(name, [])]
    shown = [row for row in rows if won.is_of(row, params) and row.created_ms <= since]
    return json_reply([order_view(order) for order in won.in_order(shown, params)])


def chance(world: World, params: Params) -> Reply:
    """Return a market's fees, limits and the account's side of it."""
    return json_reply(won.chance_view(world, won.listed_market(world, params)))
