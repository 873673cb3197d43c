"""Signed orders for the simulated venues, made ahead of time so that only the venue is measured."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import urlencode
from uuid import UUID

from tests.exchanges.simulator.speaking import upbit_token

DEEP = "1000000000"  # a book that no order of a benchmark uses up
BOOKS = {
    "binance": ("XRPUSDT", [["2.4999", DEEP]], [["2.5000", DEEP]]),
    "upbit": ("KRW-XRP", [["3999", DEEP]], [["4000", DEEP]]),
}
CREDITS = (("binance", "XRP"), ("binance", "USDT"), ("upbit", "XRP"), ("upbit", "KRW"))


class Control(Protocol):
    """Speaks to a simulator's control port, in process or over a socket."""

    def __call__(self, path: str, payload: dict[str, Any]) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOrder:
    """One POST of an order, ready to be sent."""

    venue: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


def prepare_venues(control: Control) -> None:
    """Pin deep books and credit both accounts, so that every order fills whole in one execution."""
    for venue, (symbol, bids, asks) in BOOKS.items():
        control("/control/book", {"venue": venue, "symbol": symbol, "bids": bids, "asks": asks})
    for venue, asset in CREDITS:
        control("/control/balances", {"venue": venue, "asset": asset, "credit": DEEP})


def binance_order(account: Mapping[str, Any], number: int, *, at_ms: int, mark: str) -> SignedOrder:
    """Sign a marketable order: buys and sells in turn, so that balances stay where they are."""
    is_buy = number % 2 == 0
    parameters = {
        "symbol": "XRPUSDT",
        "side": "BUY" if is_buy else "SELL",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "quantity": "10",
        "price": "2.5000" if is_buy else "2.4999",
        "newClientOrderId": f"{mark}{number}",
        "newOrderRespType": "FULL",
        "recvWindow": 60_000,
        "timestamp": at_ms,
    }
    query = urlencode(parameters)
    secret = str(account["secret_key"]).encode()
    signature = hmac.new(secret, query.encode(), hashlib.sha256).hexdigest()
    return SignedOrder(
        venue="binance",
        path="/api/v3/order",
        query=f"{query}&signature={signature}",
        headers={"x-mbx-apikey": str(account["access_key"])},
    )


def upbit_order(account: Mapping[str, Any], number: int, *, mark: str) -> SignedOrder:
    """Sign a marketable order: buys and sells in turn."""
    is_buy = number % 2 == 0
    parameters = {
        "market": "KRW-XRP",
        "side": "bid" if is_buy else "ask",
        "ord_type": "limit",
        "volume": "10",
        "price": "4000" if is_buy else "3999",
        "time_in_force": "ioc",
        "identifier": f"{mark}{number}",
    }
    text = "&".join(f"{name}={value}" for name, value in parameters.items())
    digest = hashlib.sha256(f"{mark}{number}".encode()).digest()
    nonce = str(UUID(bytes=digest[:16]))
    token = upbit_token(str(account["access_key"]), str(account["secret_key"]), text, nonce)
    return SignedOrder(
        venue="upbit",
        path="/v1/orders",
        headers={"authorization": f"Bearer {token}", "content-type": "application/json"},
        body=json.dumps(parameters).encode(),
    )
