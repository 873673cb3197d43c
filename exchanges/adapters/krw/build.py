"""Requests that the Korean venues take alike, built without sending anything. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exchanges.adapters.krw.books import market_code
from exchanges.transport.decoding import plain
from exchanges.transport.wire import Params, Request
from exchanges.values import Market, OrderRequest, Side, WithdrawalRequest

PAGE = 100
LEVELS = 30
MARKETS = Request(operation="markets", method="GET", path="/v1/market/all")


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderNames:
    """Where a venue takes and cancels orders, and how it spells their kind and our id."""

    path: str
    cancel_path: str
    kind: str
    client_id: str


def book(market: Market, *, depth: int) -> Request:
    """Ask for a book; there are 30 levels at most."""
    params = (("markets", market_code(market)), ("count", str(min(depth, LEVELS))))
    return Request(operation="book", method="GET", path="/v1/orderbook", params=params)


def ticker(market: Market) -> Request:
    """Ask for a market's last price."""
    params = (("markets", market_code(market)),)
    return Request(operation="ticker", method="GET", path="/v1/ticker", params=params)


def read(operation: str, path: str, **params: str) -> Request:
    """Ask for something of our account."""
    return Request(
        operation=operation, method="GET", path=path, params=tuple(params.items()), is_signed=True
    )


def order(client_order_id: str, names: OrderNames) -> Request:
    """Ask for an order by our id alone: beside it a `uuid` would win, even an empty one."""
    return read("order", "/v1/order", **{names.client_id: client_order_id})


def place_order(request: OrderRequest, names: OrderNames) -> Request:
    """Send a limit order, immediate-or-cancel."""
    return Request(
        operation="place_order",
        method="POST",
        path=names.path,
        params=(
            ("market", market_code(request.market)),
            ("side", "bid" if request.side is Side.BUY else "ask"),
            (names.kind, "limit"),
            ("volume", plain(request.quantity)),
            ("price", plain(request.limit_price)),
            ("time_in_force", "ioc"),
            (names.client_id, request.client_order_id),
        ),
        is_signed=True,
        moves_money=True,
        send_before=request.send_before,
    )


def cancel_order(client_order_id: str, names: OrderNames) -> Request:
    """Ask to cancel by our id alone."""
    return Request(
        operation="cancel_order",
        method="DELETE",
        path=names.cancel_path,
        params=((names.client_id, client_order_id),),
        is_signed=True,
        moves_money=True,
    )


def withdraw(request: WithdrawalRequest, besides: Params) -> Request:
    """Send a withdrawal with what the venue wants besides; no client id exists.

    The amount is what arrives, the fee comes besides.
    """
    destination = request.destination
    memo = (("secondary_address", destination.memo),) if destination.memo else ()
    return Request(
        operation="withdraw",
        method="POST",
        path="/v1/withdraws/coin",
        params=(
            ("currency", destination.asset),
            ("net_type", destination.network),
            ("amount", plain(request.quantity)),
            ("address", destination.address),
            *memo,
            *besides,
        ),
        is_signed=True,
        moves_money=True,
        send_before=request.send_before,
    )


def make_address(asset: str, network: str) -> Request:
    """Ask for a deposit address to be made; asking again does no harm."""
    return Request(
        operation="make_address",
        method="POST",
        path="/v1/deposits/generate_coin_address",
        params=(("currency", asset), ("net_type", network)),
        is_signed=True,
    )


def page(operation: str, path: str, asset: str | None, number: int) -> Request:
    """Ask for a page of transfers of an asset, or of all, newest first, 100 rows each."""
    of_asset = {} if asset is None else {"currency": asset}
    paging = {"limit": str(PAGE), "page": str(number), "order_by": "desc"}
    return read(operation, path, **of_asset, **paging)


def order_page(path: str, states: Sequence[str], **paging: str) -> Request:
    """Ask for a page of orders in some states, of all markets."""
    named = tuple(("states[]", state) for state in states)
    params = (*named, *paging.items())
    return Request(operation="orders", method="GET", path=path, params=params, is_signed=True)


def orders(path: str, name: str, ids: Sequence[str], *, besides: Params = ()) -> Request:
    """Ask for several orders, by our ids under the venue's name for a list of them."""
    params = (*((f"{name}[]", one) for one in ids), *besides)
    return Request(operation="orders", method="GET", path=path, params=params, is_signed=True)
