"""Binance's routes: security, weight, known parameters and the function that answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from exchanges.simulator.core.binance import (
    account,
    history,
    localentity,
    market,
    orders,
    replacing,
    wallet,
)
from exchanges.simulator.core.binance.auth import authenticate
from exchanges.simulator.core.binance.params import Params, read_params
from exchanges.simulator.core.binance.refusals import refuse
from exchanges.simulator.core.errors import RefusalError
from exchanges.simulator.core.limits import Headers, Limiter
from exchanges.simulator.core.values import Reply, Request, json_reply
from exchanges.simulator.core.world import Key, World

Handler = Callable[[World, Params], Reply]
KeyHandler = Callable[[World, Key, Limiter, int], Reply]
Weight = int | Callable[[Params], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A handler with its weight and the permission it needs; None is public.

    `takes` names the parameters of a signed route, `by_key` answers in place of the handler where the
    answer is about the caller, `per_uid` counts a wallet route by account instead of by address.
    """

    handler: Handler = wallet.nothing
    by_key: KeyHandler | None = None
    weight: Weight = 1
    permission: str | None = None
    takes: tuple[str, ...] = ()
    orders: int = 0
    per_uid: bool = False
    name: str = ""


def _public(handler: Handler, weight: Weight) -> Route:
    return Route(handler=handler, weight=weight)


def _signed(
    handler: Handler, weight: Weight, takes: str = "", *, permission: str = "read", count: int = 0
) -> Route:
    return Route(
        handler=handler,
        weight=weight,
        permission=permission,
        takes=tuple(takes.split()),
        orders=count,
    )


def _depth_weight(params: Params) -> int:
    limit = params.whole("limit", 100) or 100
    return next((w for most, w in ((100, 5), (500, 25), (1000, 50)) if limit <= most), 250)


def _one_or(one: int, many: int) -> Callable[[Params], int]:
    return lambda params: one if params.values.get("symbol") else many


def _my_trades_weight(params: Params) -> int:
    return 5 if params.values.get("orderId") else 20


def _test_weight(params: Params) -> int:
    return 20 if params.values.get("computeCommissionRates") == "true" else 1


_ORDER = " ".join(orders.ORDER_PARAMS)
_SPAN = "startTime endTime limit"
_API: dict[tuple[str, str], Route] = {
    ("GET", "/api/v3/ping"): _public(market.ping, 1),
    ("GET", "/api/v3/time"): _public(market.time, 1),
    ("GET", "/api/v3/exchangeInfo"): _public(market.exchange_info, 20),
    ("GET", "/api/v3/depth"): _public(market.depth, _depth_weight),
    ("GET", "/api/v3/ticker/bookTicker"): _public(market.book_ticker, _one_or(2, 4)),
    ("GET", "/api/v3/ticker/price"): _public(market.price, _one_or(2, 4)),
    ("GET", "/api/v3/ticker/24hr"): _public(history.rolling_day, _one_or(2, 80)),
    ("GET", "/api/v3/avgPrice"): _public(history.average_price, 2),
    ("GET", "/api/v3/aggTrades"): _public(history.aggregated_trades, 4),
    ("GET", "/api/v3/trades"): _public(history.trades, 25),
    ("GET", "/api/v3/historicalTrades"): _public(history.trades, 25),
    ("GET", "/api/v3/klines"): _public(history.klines, 2),
    ("GET", "/api/v3/uiKlines"): _public(history.klines, 2),
    ("POST", "/api/v3/order"): _signed(orders.create, 0, _ORDER, permission="trade", count=1),
    ("POST", "/api/v3/order/test"): _signed(
        orders.create_test, _test_weight, _ORDER, permission="trade"
    ),
    ("GET", "/api/v3/order"): _signed(orders.read, 4, "symbol orderId origClientOrderId"),
    ("DELETE", "/api/v3/order"): _signed(
        orders.cancel,
        0,
        "symbol orderId origClientOrderId newClientOrderId cancelRestrictions",
        permission="trade",
    ),
    ("POST", "/api/v3/order/cancelReplace"): _signed(
        replacing.cancel_replace,
        1,
        " ".join((_ORDER, *replacing.CANCEL_PARAMS)),
        permission="trade",
        count=1,
    ),
    ("GET", "/api/v3/openOrders"): _signed(orders.list_open, _one_or(6, 80), "symbol"),
    ("DELETE", "/api/v3/openOrders"): _signed(orders.cancel_open, 1, "symbol", permission="trade"),
    ("GET", "/api/v3/allOrders"): _signed(orders.list_all, 20, f"symbol orderId {_SPAN}"),
    ("GET", "/api/v3/myTrades"): _signed(
        orders.my_trades, _my_trades_weight, f"symbol orderId fromId {_SPAN}"
    ),
    ("GET", "/api/v3/account"): _signed(account.account, 20, "omitZeroBalances"),
    ("GET", "/api/v3/account/commission"): _signed(account.commission, 20, "symbol"),
    ("GET", "/api/v3/rateLimit/order"): Route(
        by_key=account.order_counts, weight=40, permission="read"
    ),
}
_SAPI: dict[tuple[str, str], Route] = {
    ("GET", "/sapi/v1/capital/config/getall"): _signed(wallet.coins, 10),
    ("GET", "/sapi/v1/capital/deposit/address"): _signed(
        wallet.deposit_address, 10, "coin network amount"
    ),
    ("GET", "/sapi/v1/capital/deposit/hisrec"): _signed(
        wallet.deposits, 1, f"includeSource coin status offset txId {_SPAN}"
    ),
    ("POST", "/sapi/v1/capital/withdraw/apply"): Route(
        handler=wallet.withdraw,
        weight=900,
        permission="withdraw",
        takes=wallet.WITHDRAW_PARAMS,
        per_uid=True,
    ),
    ("GET", "/sapi/v1/capital/withdraw/history"): Route(
        handler=wallet.withdrawals,
        permission="read",
        takes=tuple(f"coin withdrawOrderId status offset idList {_SPAN}".split()),
        per_uid=True,
        name="withdraw_history",
    ),
    ("GET", "/sapi/v1/capital/withdraw/address/list"): _signed(wallet.allowed_addresses, 10),
    ("GET", "/sapi/v1/capital/withdraw/quota"): _signed(wallet.quota, 10),
    ("GET", "/sapi/v1/asset/tradeFee"): _signed(wallet.trade_fees, 1, "symbol"),
    ("GET", "/sapi/v1/asset/assetDetail"): _signed(wallet.asset_details, 1, "asset"),
    ("POST", "/sapi/v3/asset/getUserAsset"): _signed(
        account.user_assets, 5, "asset needBtcValuation"
    ),
    ("GET", "/sapi/v1/account/apiRestrictions"): Route(
        by_key=account.restrictions, permission="read"
    ),
    ("GET", "/sapi/v1/account/status"): _signed(account.status, 1),
    ("GET", "/sapi/v1/account/apiTradingStatus"): _signed(account.trading_status, 1),
    ("GET", "/sapi/v1/localentity/questionnaire-requirements"): _signed(
        localentity.requirements, 1
    ),
    ("GET", "/sapi/v1/localentity/vasp"): _signed(localentity.vasps, 1),
    ("POST", "/sapi/v1/localentity/withdraw/apply"): Route(
        handler=localentity.withdraw,
        weight=600,
        permission="withdraw",
        takes=localentity.WITHDRAW_PARAMS,
        per_uid=True,
    ),
    ("GET", "/sapi/v1/localentity/withdraw/history"): _signed(
        localentity.withdrawals, 1, f"{localentity.WITHDRAWALS_BY} {_SPAN}"
    ),
    ("GET", "/sapi/v1/localentity/deposit/history"): _signed(
        localentity.deposits, 1, f"{localentity.DEPOSITS_BY} {_SPAN}"
    ),
    ("PUT", "/sapi/v1/localentity/deposit/provide-info"): Route(
        handler=localentity.provide_info,
        weight=600,
        permission="read",
        takes=("tranId", "questionnaire"),
        per_uid=True,
    ),
    ("GET", "/sapi/v1/system/status"): _public(wallet.system_status, 1),
    ("GET", "/sapi/v1/margin/allPairs"): _signed(wallet.nothing, 1, "symbol"),
    ("GET", "/sapi/v1/margin/isolated/allPairs"): _signed(wallet.nothing, 10, "symbol"),
    ("POST", "/sapi/v1/asset/get-funding-asset"): _signed(
        wallet.nothing, 1, "asset needBtcValuation"
    ),
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
    params = read_params(request)
    if is_trusted:
        return route.handler(world, params)
    headers = _count(limiter, route, request.path, params, world.wall_ms)
    if route.permission is not None and _needs_signature(request, params):
        signer = signer or authenticate(world, request, params)
        if route.permission not in signer.permissions:
            raise refuse(-2015)
        params.only(route.takes)
    if route.by_key is not None and signer is not None:
        reply = route.by_key(world, signer, limiter, world.wall_ms)
    else:
        reply = route.handler(world, params)
    return replace(reply, headers=reply.headers + headers)


def _needs_signature(request: Request, params: Params) -> bool:
    # The two margin lists ask for a key only; other clients load them unsigned.
    return params.signature is not None or not request.path.startswith("/sapi/v1/margin/")


def _count(limiter: Limiter, route: Route, path: str, params: Params, wall_ms: int) -> Headers:
    weight = route.weight if isinstance(route.weight, int) else route.weight(params)
    if path.startswith("/sapi"):
        name = route.name or path
        return limiter.binance_wallet(name, weight, wall_ms, per_uid=route.per_uid)
    return limiter.binance(weight, route.orders, wall_ms)


def _gone() -> RefusalError:
    text = "This endpoint was removed; use the WebSocket API's userDataStream.subscribe.signature."
    return RefusalError(json_reply({"code": -1010, "msg": text}, 410))
