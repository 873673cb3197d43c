"""Bithumb's routes, v1 and v2: who may call what, counted where, answered by which function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from exchanges.simulator.core.bithumb import orders, wallet
from exchanges.simulator.core.bithumb.refusals import in_own_words
from exchanges.simulator.core.krw import (
    deposits as addresses,
    history,
    orders as won,
    quotation,
    wallet as wallets,
)
from exchanges.simulator.core.krw.auth import Nonces, TokenRules, authenticate, demand_scope
from exchanges.simulator.core.krw.params import Params, read_params
from exchanges.simulator.core.krw.refusals import NamedRefusalError, not_quoted
from exchanges.simulator.core.limits import Limiter
from exchanges.simulator.core.values import BITHUMB, Reply, Request, json_reply
from exchanges.simulator.core.world import World

Handler = Callable[[World, Params], Reply]
# How far a token's timestamp may be from the venue's clock is not documented.
TOKENS = TokenRules(algorithms=frozenset({"HS256"}), life_ms=60_000)


@dataclass(frozen=True, slots=True)
class Route:
    """A handler with its rate-limit category and the permission it needs; None is public."""

    handler: Handler
    category: str
    permission: str | None = None


def market_all(world: World, params: Params) -> Reply:
    """List the markets."""
    is_detailed = params.get("isDetails") == "true"
    warning = {"market_warning": "NONE"} if is_detailed else {}
    listed = quotation.listed(world, BITHUMB)
    return json_reply([{**quotation.names(world, market), **warning} for market in listed])


_PUBLIC: dict[str, Handler] = {
    "/v1/market/all": market_all,
    "/v1/ticker": quotation.ticker,
    "/v1/orderbook": quotation.orderbook,
    "/v1/trades/ticks": history.trades,
    **{path: handler for path, handler in history.CANDLES.items() if "seconds" not in path},
}
_READS: dict[str, Handler] = {
    "/v1/accounts": won.accounts,
    "/v1/orders/chance": orders.chance,
    "/v1/order": orders.read,
    "/v1/orders": orders.list_orders,
    "/v2/orders/pending": orders.list_pending,
    "/v2/orders/history": orders.list_history,
    "/v1/withdraws": wallet.list_withdrawals,
    "/v1/withdraw": wallet.read_withdrawal,
    "/v1/withdraws/chance": wallets.withdrawal_chance,
    "/v1/withdraws/coin_addresses": wallet.allowed_addresses,
    "/v1/deposits": wallet.list_deposits,
    "/v1/deposit": wallet.read_deposit,
    "/v1/deposits/coin_address": addresses.deposit_address,
    "/v1/deposits/coin_addresses": addresses.deposit_addresses,
    "/v1/status/wallet": wallets.wallet_status,
    "/v1/api_keys": wallets.api_keys,
}
ROUTES: dict[tuple[str, str], Route] = {
    **{("GET", path): Route(handler, "public") for path, handler in _PUBLIC.items()},
    **{("GET", path): Route(handler, "private", "read") for path, handler in _READS.items()},
    ("POST", "/v2/orders"): Route(orders.create, "private", "trade"),
    ("POST", "/v2/orders/batch"): Route(orders.create_batch, "batch", "trade"),
    ("DELETE", "/v2/order"): Route(orders.cancel, "private", "trade"),
    ("POST", "/v2/orders/cancel"): Route(orders.cancel_batch, "batch", "trade"),
    ("POST", "/v1/withdraws/coin"): Route(wallet.withdraw, "private", "withdraw"),
    ("DELETE", "/v1/withdraws/coin"): Route(wallet.cancel_withdrawal, "private", "withdraw"),
    ("POST", "/v1/deposits/generate_coin_address"): Route(
        addresses.generate_address, "private", "read"
    ),
}


def answer(
    world: World, limiter: Limiter, nonces: Nonces, request: Request, *, is_trusted: bool
) -> Reply:
    """Answer a request; a trusted one (replayed from our own log) skips limits and signatures."""
    route = ROUTES.get((request.method, request.path))
    if route is None:
        raise not_quoted()
    try:
        if is_trusted:
            return route.handler(world, read_params(request))
        limiter.bithumb(route.category, world.wall_ms)
        return _answer(world, nonces, request, route)
    except NamedRefusalError as refusal:
        raise in_own_words(refusal) from None


def _answer(world: World, nonces: Nonces, request: Request, route: Route) -> Reply:
    params = read_params(request)
    if route.permission is not None:
        key = authenticate(world, nonces, request, params, TOKENS)
        demand_scope(key, route.permission, request.path)
    return route.handler(world, params)
