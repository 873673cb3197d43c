"""Upbit's routes: who may call what, in which rate-limit group, answered by which function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from exchanges.simulator.core.krw import (
    deposits as addresses,
    history,
    orders as won,
    quotation as quotes,
    wallet as wallets,
)
from exchanges.simulator.core.krw.auth import Nonces, TokenRules, authenticate, demand_scope
from exchanges.simulator.core.krw.params import Params, read_params
from exchanges.simulator.core.krw.refusals import not_quoted, refuse
from exchanges.simulator.core.limits import Limiter
from exchanges.simulator.core.upbit import batches, deposits, orders, quotation, wallet
from exchanges.simulator.core.values import Reply, Request
from exchanges.simulator.core.world import World

Handler = Callable[[World, Params], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """A handler with its rate-limit group and the permission it needs; None is public."""

    handler: Handler
    group: str
    permission: str | None


_PUBLIC: dict[str, tuple[Handler, str]] = {
    "/v1/market/all": (quotation.market_all, "market"),
    "/v1/ticker": (quotes.ticker, "ticker"),
    "/v1/ticker/all": (quotation.ticker_all, "ticker"),
    "/v1/orderbook": (quotes.orderbook, "orderbook"),
    "/v1/orderbook/instruments": (quotation.instruments, "orderbook"),
    "/v1/trades/ticks": (history.trades, "trade"),
    **{path: (handler, "candle") for path, handler in history.CANDLES.items()},
}
_READS: dict[str, Handler] = {
    "/v1/accounts": won.accounts,
    "/v1/orders/chance": orders.chance,
    "/v1/order": orders.read,
    "/v1/orders/open": orders.list_open,
    "/v1/orders/closed": orders.list_closed,
    "/v1/orders/uuids": orders.list_by_ids,
    "/v1/deposits/coin_address": addresses.deposit_address,
    "/v1/deposits/coin_addresses": addresses.deposit_addresses,
    "/v1/deposits": deposits.list_deposits,
    "/v1/deposit": deposits.read_deposit,
    "/v1/deposits/chance/coin": deposits.deposit_chance,
    "/v1/withdraws": wallet.list_withdrawals,
    "/v1/withdraw": wallet.read_withdrawal,
    "/v1/withdraws/chance": wallets.withdrawal_chance,
    "/v1/withdraws/coin_addresses": wallet.allowed_addresses,
    "/v1/status/wallet": wallets.wallet_status,
    "/v1/api_keys": wallets.api_keys,
    "/v1/travel_rule/vasps": deposits.vasps,
}
TOKENS = TokenRules(algorithms=frozenset({"HS256", "HS512"}))
ROUTES: dict[tuple[str, str], Route] = {
    **{("GET", path): Route(fn, group, None) for path, (fn, group) in _PUBLIC.items()},
    **{("GET", path): Route(fn, "default", "read") for path, fn in _READS.items()},
    ("POST", "/v1/orders"): Route(orders.create, "order", "trade"),
    ("POST", "/v1/orders/test"): Route(orders.create_test, "order-test", "trade"),
    ("DELETE", "/v1/order"): Route(orders.cancel, "default", "trade"),
    ("DELETE", "/v1/orders/open"): Route(batches.cancel_open, "order-cancel-all", "trade"),
    ("DELETE", "/v1/orders/uuids"): Route(batches.cancel_by_ids, "default", "trade"),
    ("POST", "/v1/orders/cancel_and_new"): Route(batches.cancel_and_new, "order", "trade"),
    ("POST", "/v1/deposits/generate_coin_address"): Route(
        addresses.generate_address, "default", "read"
    ),
    ("POST", "/v1/withdraws/coin"): Route(wallet.withdraw, "default", "withdraw"),
    ("DELETE", "/v1/withdraws/coin"): Route(wallet.cancel_withdrawal, "default", "withdraw"),
    ("POST", "/v1/travel_rule/deposit/uuid"): Route(deposits.verify_deposit, "default", "read"),
    ("POST", "/v1/travel_rule/deposit/txid"): Route(deposits.verify_deposit, "default", "read"),
}


def answer(
    world: World, limiter: Limiter, nonces: Nonces, request: Request, *, is_trusted: bool
) -> Reply:
    """Answer a request; a trusted one (replayed from our own log) skips limits and signatures."""
    route = ROUTES.get((request.method, request.path))
    if route is None:
        raise not_quoted()
    if is_trusted:
        return route.handler(world, read_params(request))
    caller = "ip" if route.permission is None else "account"
    headers = limiter.upbit(route.group, caller, world.wall_ms)
    params = read_params(request)
    if route.permission is not None:
        key = authenticate(world, nonces, request, params, TOKENS)
        demand_scope(key, route.permission, request.path)
        if route.permission == "withdraw" and key.has_withdrawal_block:
            raise refuse("open_api_withdraw_locked")
    reply = route.handler(world, params)
    return replace(reply, headers=reply.headers + headers)
