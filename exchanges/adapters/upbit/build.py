"""What only Upbit's requests say, built without sending anything. Pure."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from exchanges.adapters.krw import build
from exchanges.adapters.krw.books import market_code
from exchanges.transport.decoding import to_milliseconds
from exchanges.transport.wire import Request
from exchanges.values import Market, WithdrawalRequest

CLOSED_PAGE = 1000
ORDER_NAMES = build.OrderNames(
    path="/v1/orders", cancel_path="/v1/order", kind="ord_type", client_id="identifier"
)
order = partial(build.order, names=ORDER_NAMES)
place_order = partial(build.place_order, names=ORDER_NAMES)
cancel_order = partial(build.cancel_order, names=ORDER_NAMES)
orders = partial(build.orders, "/v1/orders/uuids", "identifiers")


def closed_orders(start: datetime, end: datetime) -> Request:
    """Ask for closed orders placed within a week at most, oldest first."""
    span = {"start_time": str(to_milliseconds(start)), "end_time": str(to_milliseconds(end))}
    return build.order_page(
        "/v1/orders/closed", ("done", "cancel"), **span, limit=str(CLOSED_PAGE), order_by="asc"
    )


def instruments(market: Market) -> Request:
    """Ask for a market's tick."""
    params = (("markets", market_code(market)),)
    return Request(
        operation="instruments", method="GET", path="/v1/orderbook/instruments", params=params
    )


def withdraw(request: WithdrawalRequest) -> Request:
    """Send a withdrawal on the chain, not by Upbit's internal transfer."""
    return build.withdraw(request, (("transaction_type", "default"),))


def verify_deposit(deposit_uuid: str, vasp_uuid: str) -> Request:
    """Say which venue a held deposit came from; Upbit takes it once per ten minutes."""
    return Request(
        operation="verify_deposit",
        method="POST",
        path="/v1/travel_rule/deposit/uuid",
        params=(("deposit_uuid", deposit_uuid), ("vasp_uuid", vasp_uuid)),
        is_signed=True,
        moves_money=True,
    )
