"""Binance's routes: security, weight and the function that answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from exchanges.simulator.core.binance import market, orders, wallet
from exchanges.simulator.core.binance.auth import authenticate
from exchanges.simulator.core.binance.params import Params, read_params
from exchanges.simulator.core.binance.refusals import refuse
from exchanges.simulator.core.errors import RefusalError
from exchanges.simulator.core.limits import Headers, Limiter
from exchanges.simulator.core.values import Reply, Request, json_reply
from exchanges.simulator.core.world import Key, World

Handler = Callable[[World, Params], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """A handler with its weight and the permission it needs; None is public."""

    handler: Handler
    weight: int
    permission: str | None = None
    orders: int = 0
    name: str = ""


_API: dict[tuple[str, str], Route] = {
    ("GET", "/api/v3/ping"): Route(market.ping, 1),
    ("GET", "/api/v3/time"): Route(market.time, 1),
    ("GET", "/api/v3/exchangeInfo"): Route(market.exchange_info, 20),
    ("GET", "/api/v3/depth"): Route(market.depth, 5),
    ("GET", "/api/v3/ticker/bookTicker"): Route(market.book_ticker, 2),
    ("GET", "/api/v3/ticker/price"): Route(market.price, 2),
    ("POST", "/api/v3/order"): Route(orders.create, 0, "trade", 1),
    ("POST", "/api/v3/order/test"): Route(orders.create_test, 1, "trade"),
    ("GET", "/api/v3/order"): Route(orders.read, 4, "read"),
    ("DELETE", "/api/v3/order"): Route(orders.cancel, 0, "trade"),
    ("GET", "/api/v3/openOrders"): Route(orders.list_open, 6, "read"),
    ("DELETE", "/api/v3/openOrders"): Route(orders.cancel_open, 1, "trade"),
    ("GET", "/api/v3/allOrders"): Route(orders.list_all, 20, "read"),
    ("GET", "/api/v3/myTrades"): Route(orders.my_trades, 20, "read"),
    ("GET", "/api/v3/account"): Route(orders.account, 20, "read"),
    ("GET", "/api/v3/rateLimit/order"): Route(orders.order_counts, 40, "read"),
}
_SAPI: dict[tuple[str, str], Route] = {
    ("GET", "/sapi/v1/capital/config/getall"): Route(wallet.coins, 10, "read"),
    ("GET", "/sapi/v1/capital/deposit/address"): Route(wallet.deposit_address, 10, "read"),
    ("GET", "/sapi/v1/capital/deposit/hisrec"): Route(wallet.deposits, 1, "read"),
    ("POST", "/sapi/v1/capital/withdraw/apply"): Route(wallet.withdraw, 900, "withdraw"),
    ("GET", "/sapi/v1/capital/withdraw/history"): Route(
        wallet.withdrawals, 1, "read", name="withdraw_history"
    ),
    ("GET", "/sapi/v1/capital/withdraw/address/list"): Route(wallet.allowed_addresses, 10, "read"),
    ("GET", "/sapi/v1/capital/withdraw/quota"): Route(wallet.quota, 10, "read"),
    ("GET", "/sapi/v1/asset/tradeFee"): Route(wallet.trade_fees, 1, "read"),
    ("GET", "/sapi/v1/account/apiRestrictions"): Route(wallet.restrictions, 1, "read"),
    ("GET", "/sapi/v1/account/status"): Route(wallet.account_status, 1, "read"),
    ("GET", "/sapi/v1/localentity/questionnaire-requirements"): Route(
        wallet.questionnaire, 1, "read"
    ),
    ("GET", "/sapi/v1/system/status"): Route(wallet.system_status, 1),
    ("GET", "/sapi/v1/margin/allPairs"): Route(wallet.nothing, 1, "read"),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): Route(wallet.nothing, 1, "read"),
    ("POST", "/sapi/v1/asset/get-funding-asset"): Route(wallet.nothing, 1, "read"),
}
_REMOVED = {"/api/v3/userDataStream", "/api/v1/userDataStream", "/sapi/v1/userDataStream"}


def answer(
    world: World,
    limiter: Limiter,
    request: Request,
    *,
    is_trusted: bool,
    signer: Key | None = None,
) -> Reply:
    """Answer a request; a trusted one (replayed from our own log) skips limits and signatures.

    A `signer` is a key whose signature a WebSocket session has checked by that protocol's rule.
    """
    if request.path in _REMOVED:
        raise _gone()
    key = (request.method, request.path)
    route = _API.get(key) or _SAPI.get(key)
    if route is None:
        raise RefusalError(Reply(status=404, content_type="text/html"))
    if is_trusted:
        return route.handler(world, read_params(request))
    headers = _count(limiter, route, request.path, world.wall_ms)
    params = read_params(request)
    if route.permission is not None and _needs_signature(route, request):
        signer = signer or authenticate(world, request, params)
        if route.permission not in signer.permissions:
            raise refuse(-2015)
    reply = route.handler(world, params)
    return replace(reply, headers=reply.headers + headers)


def _needs_signature(route: Route, request: Request) -> bool:
    # The two margin lists ask for a key only; other clients load them unsigned.
    return not (route.handler is wallet.nothing and "signature=" not in request.query)


def _count(limiter: Limiter, route: Route, path: str, wall_ms: int) -> Headers:
    if path.startswith("/sapi"):
        return limiter.binance_wallet(route.name, route.weight, wall_ms)
    return limiter.binance(route.weight, route.orders, wall_ms)


def _gone() -> RefusalError:
    text = "This endpoint was removed; use the WebSocket API's userDataStream.subscribe.signature."
    return RefusalError(json_reply({"code": -1010, "msg": text}, 410))
