"""Upbit's order routes: acceptance rules, reads, cancels."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from exchanges.simulator.core import matching, self_trades
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.numbers import decimals_of, is_multiple, plain
from exchanges.simulator.core.orders import BUY, CANCELLED, OPEN, Order
from exchanges.simulator.core.upbit.params import Params
from exchanges.simulator.core.upbit.refusals import invalid, missing, refuse
from exchanges.simulator.core.upbit.render import (
    KST,
    SIDES,
    STATES,
    account_view,
    order_view,
    order_with_trades,
)
from exchanges.simulator.core.values import UPBIT, Reply, json_reply
from exchanges.simulator.core.world import World

CLOSED_WINDOW_MS = 7 * 86_400_000
IDENTIFIER_LIMIT = 64
_IMMEDIATE = {"ioc", "fok"}


def create(world: World, params: Params) -> Reply:
    """Accept an order (201, usually no fills shown) or refuse it."""
    order, market = checked(world, params)
    burn_identifier(world, order.client_order_id)
    check_funds(world, market, order)
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
    check_funds(world, market, order)
    order.venue_order_id = "00000000-0000-4000-a000-000000000000"
    return json_reply(order_view(order, is_fresh=True), 201)


def checked(world: World, params: Params) -> tuple[Order, Market]:
    """Read an order and check everything but the identifier and the balance."""
    symbol, side = params.need("market"), params.need("side")
    if side not in SIDES:
        raise invalid("side")
    market = world.markets.get((UPBIT, symbol))
    if market is None:
        raise refuse("validation_error", "market does not have a valid value")
    order = _read_order(world, params, symbol, side)
    if not market.is_open or world.maintenance.get(UPBIT):
        raise refuse("market_offline")
    _check_steps(world, market, order, side)
    _check_total(world, market, order, side)
    return order, market


def _read_order(world: World, params: Params, symbol: str, side: str) -> Order:
    kind = params.need("ord_type")
    price, volume = params.decimal("price"), params.decimal("volume")
    force = params.get("time_in_force") or ""
    budget = _check_shape(kind, side, force, price, volume)
    return Order(
        venue=UPBIT,
        venue_order_id="",
        client_order_id=_read_identifier(params),
        symbol=symbol,
        side=SIDES[side],
        kind=kind,
        time_in_force=force or ("gtc" if kind == "limit" else "ioc"),
        price=price if kind == "limit" else None,
        quantity=None if budget else volume,
        budget=budget,
        created_ms=world.wall_ms,
        updated_ms=world.wall_ms,
        smp_type=_read_smp_type(params, force),
    )


def _read_identifier(params: Params) -> str | None:
    identifier = params.get("identifier")
    if identifier is not None and len(identifier) > IDENTIFIER_LIMIT:
        raise invalid("identifier")
    return identifier


def _read_smp_type(params: Params, force: str) -> str:
    smp_type = params.get("smp_type") or ""
    if smp_type and (smp_type not in self_trades.RULES or force == "post_only"):
        raise invalid("smp_type")
    return smp_type


def _check_shape(
    kind: str, side: str, force: str, price: Decimal | None, volume: Decimal | None
) -> Decimal | None:
    """Refuse impossible combinations; return what a buy by notional spends."""
    needs = {
        ("limit", "bid"): "pv",
        ("limit", "ask"): "pv",
        ("price", "bid"): "p",
        ("market", "ask"): "v",
        ("best", "bid"): "p",
        ("best", "ask"): "v",
    }.get((kind, side))
    if needs is None:
        raise invalid("ord_type")
    if ("p" in needs) != (price is not None):
        raise missing("price") if price is None else invalid("price")
    if ("v" in needs) != (volume is not None):
        raise missing("volume") if volume is None else invalid("volume")
    allowed = {"limit": {"", "ioc", "fok", "post_only"}, "best": _IMMEDIATE}.get(kind, {""})
    if force not in allowed:
        raise invalid("time_in_force")
    return price if needs == "p" else None


def _check_steps(world: World, market: Market, order: Order, side: str) -> None:
    if order.price is not None and not is_multiple(
        order.price, world.price_step(market, order.price)
    ):
        raise refuse(f"invalid_price_{side}")
    if order.quantity is not None and decimals_of(order.quantity) > 8:
        raise refuse(f"invalid_volume_{side}")
    band = world.settings.upbit_price_band
    if order.price is not None and band is not None:
        last = world.book(market).price
        if abs(order.price - last) > last * band:
            name = "over" if order.price > last else "under"
            raise refuse(f"{name}_price_limit_{side}", "주문가격이 제한폭을 벗어났습니다.")


def _check_total(world: World, market: Market, order: Order, side: str) -> None:
    book = world.book(market)
    top = (book.asks if order.side == BUY else book.bids)[:1]
    price = order.price or (top[0].price if top else book.price)
    total = order.budget if order.budget is not None else price * (order.quantity or Decimal(0))
    if total < market.min_notional:
        raise refuse(f"under_min_total_{side}")
    if total > market.max_notional:
        raise refuse(f"over_max_total_{side}")


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


def check_funds(world: World, market: Market, order: Order) -> None:
    """Refuse an order that the free balance does not cover."""
    asset, needed, _ = matching.needed_lock(market, order)
    if world.free(UPBIT, asset) < needed:
        side = "bid" if order.side == BUY else "ask"
        raise refuse(f"insufficient_funds_{side}")


def find(world: World, params: Params) -> Order:
    """Return the order of a uuid or identifier, or refuse."""
    log = world.orders[UPBIT]
    uuid, identifier = params.get("uuid"), params.get("identifier")
    if uuid is None and identifier is None:
        raise missing("uuid or identifier")
    if uuid is not None:  # uuid wins, even one that is nonsense
        order = log.by_id.get(uuid)
    else:
        order = next(iter(log.by_client.get(identifier or "", [])), None)
    if order is None or order.created_ms > world.wall_ms - _lag_ms(world):
        raise refuse("order_not_found")
    return order


def _lag_ms(world: World) -> int:
    return world.read_lag_ms(UPBIT)


def read(world: World, params: Params) -> Reply:
    """Return one order with its trades."""
    return json_reply(order_with_trades(find(world, params)))


def cancel(world: World, params: Params) -> Reply:
    """Accept a cancel; the reply still shows the order as waiting."""
    order = find(world, params)
    if order.state != OPEN:
        raise refuse("order_not_found", "이미 체결되었거나 취소된 주문입니다.")
    market = world.markets[UPBIT, order.symbol]
    shown = order_view(order)
    if world.override.get("fill_before_cancel"):
        matching.complete(world, market, order)
    else:
        matching.close(world, market, order, CANCELLED)
    return json_reply(shown)


def list_open(world: World, params: Params) -> Reply:
    """Return a page of open orders."""
    states = params.many("states") or [params.get("state") or "wait"]
    if not set(states) <= {"wait", "watch"}:
        raise invalid("states")
    has_any = "wait" in states  # nobody here can place the stop orders that are in `watch`
    rows = [o for o in world.orders[UPBIT].open_orders() if has_any and _is_of(o, params)]
    return _page(rows, params, 100)


def list_closed(world: World, params: Params) -> Reply:
    """Return closed orders of a window of at most seven days."""
    states = params.many("states") or [params.get("state") or ""]
    wanted = {"done", "cancel"} if states == [""] else set(states)
    if not wanted <= {"done", "cancel"}:
        raise invalid("states")
    start_ms, end_ms = _window(world, params)
    rows = [
        order
        for order in world.orders[UPBIT].by_id.values()
        if order.state != OPEN
        and STATES[order.state] in wanted
        and start_ms <= order.created_ms <= end_ms
        and _is_of(order, params)
    ]
    return _page(rows, params, 1000)


def _window(world: World, params: Params) -> tuple[int, int]:
    start, end = _instant(params, "start_time"), _instant(params, "end_time")
    if start is not None and end is not None and not 0 <= end - start <= CLOSED_WINDOW_MS:
        raise refuse("validation_error", "the window may not exceed 7 days")
    if end is None:
        end = world.wall_ms if start is None else start + CLOSED_WINDOW_MS
    return (end - CLOSED_WINDOW_MS if start is None else start), end


def _instant(params: Params, name: str) -> int | None:
    text = params.get(name)
    if text is None:
        return None
    if text.isdecimal():
        return int(text)
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(name) from None
    aware = parsed if parsed.tzinfo else parsed.replace(tzinfo=KST)
    return int(aware.timestamp() * 1000)


def _is_of(order: Order, params: Params) -> bool:
    market = params.get("market")
    return market is None or order.symbol == market


def _page(rows: list[Order], params: Params, limit_cap: int) -> Reply:
    limit, page = params.whole("limit", 100, limit_cap), params.whole("page", 1, 1_000_000)
    ordered = sorted(
        rows, key=lambda order: order.created_ms, reverse=params.get("order_by") != "asc"
    )
    return json_reply([order_view(o) for o in ordered[(page - 1) * limit : page * limit]])


def list_by_ids(world: World, params: Params) -> Reply:
    """Return orders by up to 100 uuids or identifiers."""
    log = world.orders[UPBIT]
    uuids, identifiers = params.many("uuids"), params.many("identifiers")
    if not (uuids or identifiers) or len(uuids) > 100 or len(identifiers) > 100:
        raise invalid("uuids")
    since = world.wall_ms - _lag_ms(world)
    rows = [log.by_id[uuid] for uuid in uuids if uuid in log.by_id]
    if not uuids:
        rows = [order for name in identifiers for order in log.by_client.get(name, [])]
    shown = [row for row in rows if _is_of(row, params) and row.created_ms <= since]
    shown.sort(key=lambda row: row.created_ms, reverse=params.get("order_by") != "asc")
    return json_reply([order_view(order) for order in shown])


def accounts(world: World, params: Params) -> Reply:
    """Return the currencies ever held, KRW always."""
    del params
    assets = dict.fromkeys(["KRW", *world.vault.assets_at(UPBIT)])
    return json_reply([account_view(world, asset, _lag_ms(world)) for asset in assets])


def _market_state(world: World, market: Market) -> str:
    if world.maintenance.get(UPBIT):
        return "paused"
    return "active" if market.is_open else "delisted"


def chance(world: World, params: Params) -> Reply:
    """Return a market's fees, limits and the account's side of it."""
    market = world.markets.get((UPBIT, params.need("market")))
    if market is None:
        raise refuse("validation_error", "market does not have a valid value")
    fee = plain(market.taker_fee)
    kinds = ["best_fok", "best_ioc", "limit", "limit_fok", "limit_ioc"]
    floor = {"min_total": plain(market.min_notional)}
    return json_reply(
        {
            "bid_fee": fee,
            "ask_fee": fee,
            "maker_bid_fee": fee,
            "maker_ask_fee": fee,
            "market": {
                "id": market.symbol,
                "name": f"{market.base}/{market.quote}",
                "order_types": ["limit"],
                "order_sides": ["ask", "bid"],
                "bid_types": [*kinds, "price"],
                "ask_types": [*kinds, "market"],
                "bid": {"currency": market.quote, **floor},
                "ask": {"currency": market.base, **floor},
                "max_total": plain(market.max_notional),
                "state": _market_state(world, market),
            },
            "bid_account": account_view(world, market.quote),
            "ask_account": account_view(world, market.base),
        }
    )
