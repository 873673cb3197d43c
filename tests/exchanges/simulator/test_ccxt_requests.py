"""Requests captured from ccxt are accepted, or refused for the reason they are known for."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from exchanges.simulator.core.values import Reply
from tests.exchanges.payloads import recorded
from tests.exchanges.simulator.speaking import Speaker, upbit_token

METHODS = recorded("generated_ccxt_upbit")["methods"]
CASES = [
    pytest.param(case["request"], id=f"{name}: {case['description']}")
    for name, cases in METHODS.items()
    for case in cases
    if case.get("request")
]
OWN_UUID = "cdd92199-2897-4e14-9448-f923320408ad"


def reason_for(request: dict[str, Any]) -> str | None:
    path = urlsplit(request["url"]).path
    if "100000123" in (request["body"] or ""):
        return "invalid_price_bid"
    if "uuid=None" in request["url"] or OWN_UUID in request["url"]:
        if "withdraw" in path:
            return "withdraw_not_found"
        return "deposit_not_found" if "deposit" in path else "order_not_found"
    return None


def prepare(speaker: Speaker) -> None:
    speaker.pin(
        "upbit", "KRW-BTC", [["99999000", "1"]], [["100000000", "0.00001"], ["100001000", "1"]]
    )
    for asset, quantity in (("BTC", "1"), ("XRP", "1000"), ("USDT", "1000")):
        speaker.credit("upbit", asset, quantity)
    for asset, network, address, tag in (
        ("XRP", "XRP", "rAddr", "123"),
        ("USDT", "TRX", "TAddr", ""),
    ):
        entry = {"asset": asset, "network": network, "address": address, "tag": tag}
        speaker.control("POST", "/control/addresses", venue="upbit", **entry)


def hashed_text(request: dict[str, Any]) -> str:
    if request["body"]:
        pairs = json.loads(request["body"], parse_float=str, parse_int=str)
        return "&".join(f"{name}={value}" for name, value in pairs.items())
    return unquote(urlsplit(request["url"]).query)


def send(speaker: Speaker, request: dict[str, Any]) -> Reply:
    account, parts = speaker.upbit_account, urlsplit(request["url"])
    headers = {name.lower(): value for name, value in request["headers"].items()}
    if "authorization" in headers:
        token = upbit_token(
            account["access_key"], account["secret_key"], hashed_text(request), "n", "HS256"
        )
        headers["authorization"] = f"Bearer {token}"
    body = (request["body"] or "").encode()
    reply = speaker.simulator.handle(
        "upbit", request["method"], parts.path, parts.query, headers, body
    )
    assert isinstance(reply, Reply)
    return reply


@pytest.mark.parametrize("request_", CASES)
def test_a_captured_request_is_accepted_or_refused_for_its_reason(
    speaker: Speaker, request_: dict[str, Any]
) -> None:
    prepare(speaker)
    if "identifier=kimp-1" in request_["url"] and "uuid=None" not in request_["url"]:
        order = {"market": "KRW-BTC", "side": "bid", "ord_type": "limit", "volume": "0.001"}
        speaker.upbit("POST", "/v1/orders", **order, price="90000000", identifier="kimp-1")
    reply = send(speaker, request_)
    reason = reason_for(request_)
    if reason is None:
        assert reply.status < 400, reply.body
    else:
        assert json.loads(reply.body)["error"]["name"] == reason


@pytest.mark.parametrize("request_", CASES)
def test_the_captured_hash_is_the_one_this_check_computes(request_: dict[str, Any]) -> None:
    claims = request_.get("jwt", {}).get("payload", {})
    if "query_hash" in claims:
        assert hashlib.sha512(hashed_text(request_).encode()).hexdigest() == claims["query_hash"]
    else:
        assert not hashed_text(request_) or "authorization" not in {
            name.lower() for name in request_["headers"]
        }
