"""Binance's requests, built without sending anything. Pure; the dialect adds stamp and signature."""

from __future__ import annotations

from datetime import datetime

from exchanges.adapters.binance.payloads import market_code
from exchanges.transport.decoding import plain, to_milliseconds
from exchanges.transport.wire import Params, Request
from exchanges.values import Market, OrderRequest, Side, WithdrawalRequest

DEPTHS = (5, 10, 20, 50, 100, 500, 1000)
PAGE = 1000


def public(operation: str, path: str, **params: str) -> Request:
    """Ask for something that needs no key."""
    return Request(operation=operation, method="GET", path=path, params=tuple(params.items()))


def read(operation: str, path: str, **params: str) -> Request:
    """Ask for something of our account."""
    return Request(
        operation=operation, method="GET", path=path, params=tuple(params.items()), is_signed=True
    )


def book(market: Market, *, depth: int) -> Request:
    """Ask for a book; depth goes up to the next size that Binance documents."""
    limit = next((size for size in DEPTHS if size >= depth), DEPTHS[-1])
    return public("book", "/api/v3/depth", symbol=market_code(market), limit=str(limit))


def order(market: Market, client_order_id: str) -> Request:
    """Ask for an order by our id."""
    return read(
        "order", "/api/v3/order", symbol=market_code(market), origClientOrderId=client_order_id
    )


def orders(market: Market, since: datetime) -> Request:
    """Ask for a market's orders since an instant, open and ended, at most 1000."""
    start = to_milliseconds(since)
    code = market_code(market)
    return read("orders", "/api/v3/allOrders", symbol=code, startTime=str(start), limit="1000")


def orders_between(market: Market, start: datetime, end: datetime) -> Request:
    """Ask for a market's orders of a window, of 24 hours at most, oldest first."""
    window = {"startTime": str(to_milliseconds(start)), "endTime": str(to_milliseconds(end))}
    return read(
        "orders", "/api/v3/allOrders", symbol=market_code(market), limit=str(PAGE), **window
    )


def orders_from(market: Market, first_id: int) -> Request:
    """Ask for a market's orders from a number of theirs on, oldest first."""
    code = market_code(market)
    return read("orders", "/api/v3/allOrders", symbol=code, orderId=str(first_id), limit=str(PAGE))


def trades(market: Market, venue_order_id: str, *, first_id: int | None = None) -> Request:
    """Ask for an order's executions with their commissions, oldest first: a page of them."""
    paging = {"limit": str(PAGE)} | ({} if first_id is None else {"fromId": str(first_id)})
    code = market_code(market)
    return read("trades", "/api/v3/myTrades", symbol=code, orderId=venue_order_id, **paging)


def place_order(request: OrderRequest) -> Request:
    """Send a limit order, immediate-or-cancel, and ask for its fills in the reply."""
    return Request(
        operation="place_order",
        method="POST",
        path="/api/v3/order",
        params=(
            ("symbol", market_code(request.market)),
            ("side", "BUY" if request.side is Side.BUY else "SELL"),
            ("type", "LIMIT"),
            ("timeInForce", "IOC"),
            ("quantity", plain(request.quantity)),
            ("price", plain(request.limit_price)),
            ("newClientOrderId", request.client_order_id),
            ("newOrderRespType", "FULL"),
        ),
        is_signed=True,
        moves_money=True,
        send_before=request.send_before,
    )


def cancel_order(market: Market, client_order_id: str) -> Request:
    """Ask to cancel by our id."""
    return Request(
        operation="cancel_order",
        method="DELETE",
        path="/api/v3/order",
        params=(("symbol", market_code(market)), ("origClientOrderId", client_order_id)),
        is_signed=True,
        moves_money=True,
    )


def withdraw(request: WithdrawalRequest) -> Request:
    """Send a withdrawal: Binance's amount includes the network fee, and the network is always named."""
    return _withdraw("/sapi/v1/capital/withdraw/apply", request)


def withdraw_local(request: WithdrawalRequest, questionnaire: str) -> Request:
    """Send a withdrawal of a local entity's account; the answers are JSON in a parameter."""
    answers = (("questionnaire", questionnaire),)
    return _withdraw("/sapi/v1/localentity/withdraw/apply", request, answers)


def _withdraw(path: str, request: WithdrawalRequest, more: Params = ()) -> Request:
    destination = request.destination
    memo = (("addressTag", destination.memo),) if destination.memo else ()
    return Request(
        operation="withdraw",
        method="POST",
        path=path,
        params=(
            ("coin", destination.asset),
            ("withdrawOrderId", request.client_withdrawal_id),
            ("network", destination.network),
            ("address", destination.address),
            *memo,
            ("amount", plain(request.quantity + request.network_fee)),
            *more,
        ),
        is_signed=True,
        moves_money=True,
        send_before=request.send_before,
    )


def provide_info(record: str, questionnaire: str) -> Request:
    """Answer a held deposit's questionnaire."""
    return Request(
        operation="verify_deposit",
        method="PUT",
        path="/sapi/v1/localentity/deposit/provide-info",
        params=(("tranId", record), ("questionnaire", questionnaire)),
        is_signed=True,
        moves_money=True,
    )


def history(
    operation: str, path: str, asset: str | None, since: datetime, *, offset: int = 0
) -> Request:
    """Ask for transfers of an asset, or of all, from the whole second of `since` on: a page of them."""
    start = to_milliseconds(since.replace(microsecond=0))
    of_asset = {} if asset is None else {"coin": asset}
    paging = {"offset": str(offset)} if offset else {}
    return read(operation, path, **of_asset, startTime=str(start), limit=str(PAGE), **paging)
