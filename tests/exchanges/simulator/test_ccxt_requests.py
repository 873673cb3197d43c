"""Requests captured from ccxt are accepted, or refused for the reason they are known for."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from exchanges.simulator.core.values import Reply
from tests.exchanges.payloads import recorded
from tests.exchanges.simulator.speaking import Speaker, korean_token

CASES = [
    pytest.param(venue, case["request"], id=f"{venue} {name}: {case['description']}")
    for venue in ("upbit", "bithumb")
    for name, cases in recorded(f"generated_ccxt_{venue}")["methods"].items()
    for case in cases
    if case.get("request")
]
OWN_UUID = "cdd92199-2897-4e14-9448-f923320408ad"
OWN_NUMBER = "C0101000000001"


def reason_for(request: dict[str, Any]) -> str | None:
    path = urlsplit(request["url"]).path
    if "100000123" in (request["body"] or ""):
        return "invalid_price_bid"
    if any(text in request["url"] for text in ("uuid=None", OWN_UUID, OWN_NUMBER)):
        if "withdraw" in path:
            return "withdraw_not_found"
        return "deposit_not_found" if "deposit" in path else "order_not_found"
    return None


def prepare(speaker: Speaker, venue: str) -> None:
    speaker.pin(
        venue, "KRW-BTC", [["99999000", "1"]], [["100000000", "0.00001"], ["100001000", "1"]]
    )
    for asset, quantity in (("BTC", "1"), ("XRP", "1000"), ("USDT", "1000")):
        speaker.credit(venue, asset, quantity)
    for asset, network, address, tag in (
        ("XRP", "XRP", "rAddr", "123"),
        ("USDT", "TRX", "TAddr", ""),
    ):
        entry = {"asset": asset, "network": network, "address": address, "tag": tag}
        speaker.control("POST", "/control/addresses", venue=venue, owner="Binance", **entry)
    if venue == "bithumb":  # the withdrawal that was captured is smaller than the minimum
        terms = {"asset": "XRP", "network": "XRP", "withdraw_min": "1"}
        speaker.control("POST", "/control/wallet", venue=venue, **terms)


def hashed_text(request: dict[str, Any]) -> str:
    if request["body"]:
        pairs = json.loads(request["body"], parse_float=str, parse_int=str)
        return "&".join(f"{name}={value}" for name, value in pairs.items())
    return unquote(urlsplit(request["url"]).query)


def send(speaker: Speaker, venue: str, request: dict[str, Any]) -> Reply:
    account, parts = speaker.accounts[venue], urlsplit(request["url"])
    stamp: dict[str, Any] = {"timestamp": speaker.wall_ms} if venue == "bithumb" else {}
    headers = {name.lower(): value for name, value in request["headers"].items()}
    if "authorization" in headers:
        keys = (account["access_key"], account["secret_key"])
        token = korean_token(*keys, hashed_text(request), "n", "HS256", **stamp)
        headers["authorization"] = f"Bearer {token}"
    body = (request["body"] or "").encode()
    reply = speaker.simulator.handle(
        venue, request["method"], parts.path, parts.query, headers, body
    )
    assert isinstance(reply, Reply)
    return reply


def place_kimp_1(speaker: Speaker, venue: str) -> None:
    order = {"market": "KRW-BTC", "side": "bid", "volume": "0.001", "price": "90000000"}
    if venue == "upbit":
        speaker.upbit("POST", "/v1/orders", **order, ord_type="limit", identifier="kimp-1")
    else:
        own = {"order_type": "limit", "client_order_id": "kimp-1"}
        assert speaker.bithumb("POST", "/v2/orders", **order, **own).status == 201
        speaker.wait(1)


@pytest.mark.parametrize(("venue", "request_"), CASES)
def test_a_captured_request_is_accepted_or_refused_for_its_reason(
    speaker: Speaker, venue: str, request_: dict[str, Any]
) -> None:
    prepare(speaker, venue)
    is_by_client_id = "=kimp-1" in request_["url"] and "uuid=None" not in request_["url"]
    if is_by_client_id:
        place_kimp_1(speaker, venue)
    reply = send(speaker, venue, request_)
    reason = reason_for(request_)
    if reason is None:
        assert reply.status < 400, reply.body
    else:
        assert json.loads(reply.body)["error"]["name"] == reason


@pytest.mark.parametrize(("venue", "request_"), CASES)
def test_the_captured_hash_is_the_one_this_check_computes(
    venue: str, request_: dict[str, Any]
) -> None:
    del venue
    claims = request_.get("jwt", {}).get("payload", {})
    if "query_hash" in claims:
        assert hashlib.sha512(hashed_text(request_).encode()).hexdigest() == claims["query_hash"]
    else:
        assert not hashed_text(request_) or "authorization" not in {
            name.lower() for name in request_["headers"]
        }
