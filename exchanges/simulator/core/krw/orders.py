"""Orders in won: what the Korean venues check before they accept one, and how they list them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from exchanges.simulator.core import matching
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.krw.params import Params
from exchanges.simulator.core.krw.refusals import invalid, missing, refuse
from exchanges.simulator.core.krw.render import KST, SIDES, account_view
from exchanges.simulator.core.numbers import decimals_of, is_multiple, plain
from exchanges.simulator.core.orders import BUY, CANCELLED, OPEN, Order
from exchanges.simulator.core.values import Reply, json_reply
from exchanges.simulator.core.world import World

CLOSED_WINDOW_MS = 7 * 86_400_000
IMMEDIATE = {"ioc", "fok"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a venue calls the parameters of an order."""

    kind: str
    venue_id: str
    client_id: str


def listed_market(world: World, params: Params) -> Market:
    """Return the market that is asked about."""
    market = world.markets.get((params.venue, params.need("market")))
    if market is None:
        raise refuse("validation_error", "market does not have a valid value")
    return market


def checked(world: World, params: Params, names: Names) -> tuple[Order, Market]:
    """Return the order that is asked for, if the market's rules allow it; funds are not looked at."""
    side = params.need("side")
    if side not in SIDES:
        raise invalid("side")
    market = listed_market(world, params)
    order = _draft(world, params, market, side, names)
    if not market.is_open or world.maintenance.get(params.venue):
        raise refuse("market_offline")
    _check_steps(world, market, order, side)
    _check_total(world, market, order, side)
    return order, market


def _draft(world: World, params: Params, market: Market, side: str, names: Names) -> Order:
    kind = params.need(names.kind)
    price, volume = params.decimal("price"), params.decimal("volume")
    force = params.get("time_in_force") or ""
    budget = _check_shape(kind, side, force, price, volume)
    return Order(
        venue=params.venue,
        venue_order_id="",
        client_order_id=params.get(names.client_id),
        symbol=market.symbol,
        side=SIDES[side],
        kind=kind,
        time_in_force=force or ("gtc" if kind == "limit" else "ioc"),
        price=price if kind == "limit" else None,
        quantity=None if budget else volume,
        budget=budget,
        created_ms=world.wall_ms,
        updated_ms=world.wall_ms,
    )


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
    allowed = {"limit": {"", "ioc", "fok", "post_only"}, "best": IMMEDIATE}.get(kind, {""})
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


def _check_total(world: World, market: Market, order: Order, side: str) -> None:
    book = world.book(market)
    top = (book.asks if order.side == BUY else book.bids)[:1]
    price = order.price or (top[0].price if top else book.price)
    total = order.budget if order.budget is not None else price * (order.quantity or Decimal(0))
    if total < market.min_notional:
        raise refuse(f"under_min_total_{side}")
    if total > market.max_notional:
        raise refuse(f"over_max_total_{side}")


def check_funds(world: World, market: Market, order: Order) -> None:
    """Refuse an order that the account cannot pay."""
    asset, needed, _ = matching.needed_lock(market, order)
    if world.free(market.venue, asset) < needed:
        side = "bid" if order.side == BUY else "ask"
        raise refuse(f"insufficient_funds_{side}")


def find(world: World, params: Params, names: Names) -> Order:
    """Return the order named by the venue's id or, without one, by our id; 404 while reads lag."""
    log = world.orders[params.venue]
    venue_id, client_id = params.get(names.venue_id), params.get(names.client_id)
    if venue_id is None and client_id is None:
        raise missing(f"{names.venue_id} or {names.client_id}")
    if venue_id is not None:  # the venue's id wins, even one that is nonsense
        order = log.by_id.get(venue_id)
    else:
        order = next(iter(log.by_client.get(client_id or "", [])), None)
    if order is None or order.created_ms > world.wall_ms - world.read_lag_ms(params.venue):
        raise refuse("order_not_found")
    return order


def end(world: World, order: Order) -> None:
    """Carry out a cancel, unless a fault lets the rest fill just before it."""
    market = world.markets[order.venue, order.symbol]
    if world.override.get("fill_before_cancel"):
        matching.complete(world, market, order)
    else:
        matching.close(world, market, order, CANCELLED)


def closed(
    world: World, params: Params, states: list[str], state_of: Callable[[Order], str]
) -> list[Order]:
    """Return the closed orders of a market and window, in those states (in all, if none is named)."""
    wanted = set(states) or {"done", "cancel"}
    if not wanted <= {"done", "cancel"}:
        raise invalid("states")
    start_ms, end_ms = _closed_window(world, params)
    return [
        order
        for order in world.orders[params.venue].by_id.values()
        if order.state != OPEN
        and state_of(order) in wanted
        and start_ms <= order.created_ms <= end_ms
        and is_of(order, params)
    ]


def still_open(world: World, params: Params) -> list[Order]:
    """Return the open orders of a market; refuse states that open orders do not have."""
    states = params.many("states") or [params.get("state") or "wait"]
    if not set(states) <= {"wait", "watch"}:
        raise invalid("states")
    if "wait" not in states:
        return []  # nobody here can place the stop orders that are in `watch`
    return [order for order in world.orders[params.venue].open_orders() if is_of(order, params)]


def _closed_window(world: World, params: Params) -> tuple[int, int]:
    """Return the asked window, of at most seven days."""
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


def is_of(order: Order, params: Params) -> bool:
    """Say whether the order is of the asked market, if one is asked for."""
    return params.get("market") in {None, order.symbol}


def in_order(rows: list[Order], params: Params) -> list[Order]:
    """Sort orders, newest first unless asked otherwise."""
    is_descending = params.get("order_by") != "asc"
    return sorted(rows, key=lambda order: order.created_ms, reverse=is_descending)


def accounts(world: World, params: Params) -> Reply:
    """Return the currencies ever held, KRW always."""
    venue = params.venue
    assets = dict.fromkeys(["KRW", *world.vault.assets_at(venue)])
    return json_reply([account_view(world, venue, a, world.read_lag_ms(venue)) for a in assets])


def _market_state(world: World, market: Market) -> str:
    if world.maintenance.get(market.venue):
        return "paused"
    return "active" if market.is_open else "delisted"


def chance_view(world: World, market: Market, **terms: str) -> dict[str, object]:
    """Return a market's fees and limits, and the account's side of it; `terms` hold for both sides."""
    fee = plain(market.taker_fee)
    floor = {"min_total": plain(market.min_notional), **terms}
    kinds = ["best_fok", "best_ioc", "limit", "limit_fok", "limit_ioc"]
    return {
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
        "bid_account": account_view(world, market.venue, market.quote),
        "ask_account": account_view(world, market.venue, market.base),
    }
