"""Binance's order routes: filters, acceptance, reads, cancels."""

from __future__ import annotations

import re
from decimal import Decimal

from exchanges.simulator.core import matching
from exchanges.simulator.core.binance import market as quotes
from exchanges.simulator.core.binance.params import Params
from exchanges.simulator.core.binance.refusals import (
    DUPLICATE,
    INSUFFICIENT,
    MARKET_CLOSED,
    WOULD_MATCH,
    refuse,
)
from exchanges.simulator.core.binance.render import (
    cancelled_view,
    order_view,
    placed_view,
    trade_view,
)
from exchanges.simulator.core.catalog import Market
from exchanges.simulator.core.numbers import decimals_of, fixed8, is_multiple
from exchanges.simulator.core.orders import BUY, CANCELLED, OPEN, SELL, Order
from exchanges.simulator.core.values import BINANCE, Reply, json_reply
from exchanges.simulator.core.world import World

_CLIENT_ID = re.compile(r"^[.A-Z:/a-z0-9_-]{1,36}$")
_SIDES = {"BUY": BUY, "SELL": SELL}
_FORCES = {"GTC", "IOC", "FOK"}
ORDER_PARAMS = (
    "symbol",
    "side",
    "type",
    "timeInForce",
    "quantity",
    "quoteOrderQty",
    "price",
    "newClientOrderId",
    "newOrderRespType",
    "selfTradePreventionMode",
    "strategyId",
    "strategyType",
    "computeCommissionRates",
)


def create(world: World, params: Params) -> Reply:
    """Accept an order and return it, with its fills unless ACK or RESULT was asked for."""
    order, market = checked(world, params)
    _check_funds(world, market, order)
    log = world.orders[BINANCE]
    if any(o.state == OPEN for o in log.by_client.get(order.client_order_id or "", [])):
        raise refuse(-2010, text=DUPLICATE)
    if order.kind == "maker" and matching.would_cross(world, market, order):
        raise refuse(-2010, text=WOULD_MATCH)
    order.venue_order_id = str(world.next_number())
    if order.client_order_id is None:
        order.client_order_id = f"sim{world.new_hex(76)}"
    matching.submit(world, market, order)
    return json_reply(placed_view(order, params.get("newOrderRespType") or "FULL"))


def create_test(world: World, params: Params) -> Reply:
    """Check an order without placing it; tell its commission rates where they are asked for."""
    _, market = checked(world, params)
    if params.get("computeCommissionRates") != "true":
        return json_reply({})
    fee = fixed8(market.taker_fee)
    rates = {"maker": fee, "taker": fee}
    is_on = world.settings.bnb_usdt is not None
    return json_reply(
        {
            "standardCommissionForOrder": rates,
            "specialCommissionForOrder": dict.fromkeys(rates, fixed8(Decimal(0))),
            "taxCommissionForOrder": dict.fromkeys(rates, fixed8(Decimal(0))),
            "discount": {
                "enabledForAccount": is_on,
                "enabledForSymbol": True,
                "discountAsset": matching.BNB,
                "discount": fixed8(matching.BNB_DISCOUNT),
            },
        }
    )


def checked(world: World, params: Params) -> tuple[Order, Market]:
    """Read an order and check everything but the balance and the client id."""
    market = quotes.market_of(world, params.need("symbol"))
    order = _read_order(world, params, market)
    if not market.is_open or world.maintenance.get(BINANCE):
        raise refuse(-2010, text=MARKET_CLOSED)
    _check_filters(world, market, order)
    return order, market


def _read_order(world: World, params: Params, market: Market) -> Order:
    side, kind = params.need("side"), params.need("type")
    if side not in _SIDES:
        raise refuse(-1117)
    price, quantity = params.decimal("price"), params.decimal("quantity")
    budget = params.decimal("quoteOrderQty")
    force = params.get("timeInForce")
    _check_shape(kind, force, price, quantity, budget)
    client_id = params.get("newClientOrderId")
    if client_id is not None and not _CLIENT_ID.match(client_id):
        raise refuse(-1100, "newClientOrderId")
    _check_precision(market, price, quantity)
    if kind == "MARKET" and budget is not None and side == "SELL":
        quantity, budget = _quantity_for(world, market, budget), None
    names = {"LIMIT": "limit", "MARKET": "market", "LIMIT_MAKER": "maker"}
    forces = {"LIMIT_MAKER": "post_only", "MARKET": "gtc"}
    return Order(
        venue=BINANCE,
        venue_order_id="",
        client_order_id=client_id,
        symbol=market.symbol,
        side=_SIDES[side],
        kind=names[kind],
        time_in_force=forces.get(kind, (force or "GTC").lower()),
        price=price,
        quantity=quantity,
        budget=budget,
        created_ms=world.wall_ms,
        updated_ms=world.wall_ms,
    )


def _check_shape(
    kind: str,
    force: str | None,
    price: Decimal | None,
    quantity: Decimal | None,
    budget: Decimal | None,
) -> None:
    if kind not in {"LIMIT", "MARKET", "LIMIT_MAKER"}:
        raise refuse(-1116)
    if force is not None and force not in _FORCES:
        raise refuse(-1115)
    if kind == "MARKET":
        _check_market_shape(force, price, quantity, budget)
        return
    if kind == "LIMIT" and force is None:
        raise refuse(-1102, "timeInForce")
    for name, value in (("quantity", quantity), ("price", price)):
        if value is None:
            raise refuse(-1102, name)
    if budget is not None:
        raise refuse(-1106, "quoteOrderQty")


def _check_market_shape(
    force: str | None, price: Decimal | None, quantity: Decimal | None, budget: Decimal | None
) -> None:
    extra = next((n for n, v in (("timeInForce", force), ("price", price)) if v is not None), None)
    if extra is not None:
        raise refuse(-1106, extra)
    if (quantity is None) == (budget is None):
        raise refuse(-1102, "quantity")


def _check_precision(market: Market, price: Decimal | None, quantity: Decimal | None) -> None:
    if price is not None and decimals_of(price) > 8:
        raise refuse(-1111, "price")
    if quantity is not None and decimals_of(quantity) > 8:
        raise refuse(-1111, "quantity")
    del market


def _quantity_for(world: World, market: Market, notional: Decimal) -> Decimal:
    """Return the quantity whose sale gives about the notional at the best bid."""
    book = world.book(market)
    best = book.bids[0].price if book.bids else book.price
    return (notional / best) // market.quantity_step * market.quantity_step


def _check_filters(world: World, market: Market, order: Order) -> None:
    if order.price is not None and not is_multiple(
        order.price, world.price_step(market, order.price)
    ):
        raise refuse(-1013, "PRICE_FILTER")
    if order.quantity is not None and not is_multiple(order.quantity, market.quantity_step):
        raise refuse(-1013, "LOT_SIZE")
    price = order.price or world.book(market).price
    notional = order.budget if order.budget is not None else price * (order.quantity or Decimal(0))
    if not market.min_notional <= notional <= market.max_notional:
        raise refuse(-1013, "NOTIONAL")


def _check_funds(world: World, market: Market, order: Order) -> None:
    _cap_market_buy(world, market, order)
    asset, needed, _ = matching.needed_lock(market, order)
    if world.free(BINANCE, asset) < needed:
        raise refuse(-2010, text=INSUFFICIENT)


def _cap_market_buy(world: World, market: Market, order: Order) -> None:
    """Give a market buy by quantity a price, so that its cost is known before it is locked."""
    if order.side != BUY or order.price is not None or order.quantity is None:
        return
    left, price = order.quantity, Decimal(0)
    for level in world.book(market).asks:
        price = level.price
        left -= level.quantity
        if left <= 0:
            break
    order.price, order.time_in_force = price, "ioc"


def _find(world: World, params: Params, code: int) -> Order:
    symbol = quotes.market_of(world, params.need("symbol")).symbol
    log = world.orders[BINANCE]
    order_id, client_id = params.get("orderId"), params.get("origClientOrderId")
    if order_id is None and client_id is None:
        text = "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!"
        raise refuse(-1102, text=text)
    found = log.by_id.get(order_id) if order_id is not None else _latest(world, client_id or "")
    if found is None or found.symbol != symbol:
        raise refuse(code)
    if code == -2013 and found.created_ms > world.wall_ms - lag_ms(world):
        raise refuse(code)
    return found


def _latest(world: World, client_id: str) -> Order | None:
    """Return the open order of that client id, else the youngest."""
    rows = world.orders[BINANCE].by_client.get(client_id, [])
    is_open = next((order for order in rows if order.state == OPEN), None)
    return is_open or (rows[-1] if rows else None)


def lag_ms(world: World) -> int:
    """Return by how much wall time reads trail what happened."""
    return world.read_lag_ms(BINANCE)


def read(world: World, params: Params) -> Reply:
    """Return one order."""
    return json_reply(order_view(_find(world, params, -2013)))


def cancel(world: World, params: Params) -> Reply:
    """Cancel an open order (-2011 if it is not)."""
    order = _find(world, params, -2011)
    if order.state != OPEN:
        raise refuse(-2011)
    market = world.markets[BINANCE, order.symbol]
    if world.override.get("fill_before_cancel"):
        matching.complete(world, market, order)
        raise refuse(-2011)
    order.cancel_client_id = params.get("newClientOrderId") or f"sim{world.new_hex(76)}"
    matching.close(world, market, order, CANCELLED)
    return json_reply(cancelled_view(order, order.cancel_client_id, world.wall_ms))


def list_open(world: World, params: Params) -> Reply:
    """Return open orders of one market or of all."""
    symbol = params.get("symbol")
    rows = [o for o in world.orders[BINANCE].open_orders() if symbol in {None, o.symbol}]
    return json_reply([order_view(order) for order in rows])


def cancel_open(world: World, params: Params) -> Reply:
    """Cancel all open orders of a market."""
    market = quotes.market_of(world, params.need("symbol"))
    rows = [o for o in world.orders[BINANCE].open_orders() if o.symbol == market.symbol]
    if not rows:
        raise refuse(-2011)
    cancel_id = f"sim{world.new_hex(76)}"
    for order in rows:
        order.cancel_client_id = cancel_id
        matching.close(world, market, order, CANCELLED)
    return json_reply([cancelled_view(order, cancel_id, world.wall_ms) for order in rows])


def _between(params: Params) -> tuple[int, int]:
    return params.whole("startTime", 0) or 0, params.whole("endTime", 10**15) or 10**15


def list_all(world: World, params: Params) -> Reply:
    """Return orders of a market, oldest first."""
    symbol = quotes.market_of(world, params.need("symbol")).symbol
    start_ms, end_ms = _between(params)
    from_id, limit = params.whole("orderId", 0) or 0, params.whole("limit", 500) or 500
    rows = [
        order
        for order in world.orders[BINANCE].by_id.values()
        if order.symbol == symbol
        and start_ms <= order.created_ms <= end_ms
        and int(order.venue_order_id) >= from_id
        and order.created_ms <= world.wall_ms - lag_ms(world)
    ]
    return json_reply([order_view(order) for order in rows[:limit]])


def my_trades(world: World, params: Params) -> Reply:
    """Return executions of a market, oldest first."""
    symbol = quotes.market_of(world, params.need("symbol")).symbol
    order_id, from_id = params.get("orderId"), params.whole("fromId", 0) or 0
    start_ms, end_ms = _between(params)
    rows = [
        trade_view(order, fill)
        for order in world.orders[BINANCE].by_id.values()
        if order.symbol == symbol and order_id in {None, order.venue_order_id}
        for fill in order.fills
        if start_ms <= fill.at_ms <= end_ms and int(fill.venue_trade_id) >= from_id
    ]
    return json_reply(rows[: params.whole("limit", 500)])
