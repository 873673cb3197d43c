"""The three adapters on a raw server, and what they are asked there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from exchanges.adapters.binance.client import BinanceVenue
from exchanges.adapters.bithumb.client import BithumbVenue
from exchanges.adapters.upbit.client import UpbitVenue
from exchanges.transport.budget import RateBudget
from exchanges.transport.wire import Keys
from exchanges.values import DepositAddress, Market, OrderRequest, Side, WithdrawalRequest
from tests.exchanges.payloads import bithumb_error, bithumb_private, upbit_error
from tests.exchanges.raw_server import Behaviour, RawServer, reply

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
KEYS = Keys(access="access-hush-hush", secret="secret-hush-hush")
XRP_KRW, XRP_USDT = Market("XRP", "KRW"), Market("XRP", "USDT")
ADDRESS = DepositAddress(
    venue="upbit", asset="XRP", network="XRP", address="rAddressHush", memo="7"
)

Make = Callable[[RawServer], Any]
VenueT = TypeVar("VenueT", BinanceVenue, BithumbVenue, UpbitVenue)


def _made(adapter: type[VenueT], server: RawServer) -> VenueT:
    """Make an adapter that keeps its venue's limits by itself."""
    return adapter(
        base_url=server.url,
        keys=KEYS,
        clock=lambda: NOW,
        budget=RateBudget(adapter.code, adapter.limits),
        deadline_seconds=2,
    )


def upbit(server: RawServer) -> UpbitVenue:
    return _made(UpbitVenue, server)


def bithumb(server: RawServer) -> BithumbVenue:
    return _made(BithumbVenue, server)


def global_venue(server: RawServer) -> BinanceVenue:
    return _made(BinanceVenue, server)


VENUES = pytest.mark.parametrize(
    ("make", "market"), [(upbit, XRP_KRW), (bithumb, XRP_KRW), (global_venue, XRP_USDT)]
)


def order_request(market: Market) -> OrderRequest:
    return OrderRequest(
        market=market,
        side=Side.BUY,
        quantity=Decimal("31.74"),
        limit_price=Decimal(3150),
        client_order_id="k123",
    )


def withdrawal_request() -> WithdrawalRequest:
    return WithdrawalRequest(
        destination=ADDRESS,
        quantity=Decimal(100),
        network_fee=Decimal("0.2"),
        client_withdrawal_id="kw1",
    )


def error_reply(name: str) -> Behaviour:
    status, body = upbit_error(name)
    return reply(body, status=status)


def bithumb_refusal(name: str) -> Behaviour:
    status, body = bithumb_error(name)
    return reply(body, status=status)


def allow_list(**changes: Any) -> Behaviour:
    """Bithumb's own list, with our address on it."""
    ours = {"withdraw_address": ADDRESS.address, "secondary_address": ADDRESS.memo}
    row = json.loads(bithumb_private("GET /v1/withdraws/coin_addresses"))[0]
    return reply(json.dumps([{**row, **ours, **changes}]).encode())


def binance_error(code: int, message: str = "") -> Behaviour:
    return reply(json.dumps({"code": code, "msg": message}).encode(), status=400)


def allowing_or(behaviour: Behaviour, request: bytes) -> Behaviour:
    """Answer what is asked before a withdrawal: Bithumb's allow-list, whether Binance has questions."""
    if b"questionnaire-requirements" in request:
        return reply(b'{"questionnaireCountryCode":"NIL"}')
    return allow_list() if b"GET /v1/withdraws/coin_addresses" in request else behaviour
