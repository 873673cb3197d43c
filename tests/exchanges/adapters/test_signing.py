"""Signatures agree with the official and cross-checked vectors, byte for byte."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exchanges.adapters.binance.dialect import BinanceDialect, signature
from exchanges.adapters.bithumb import dialect as bithumb
from exchanges.adapters.upbit import dialect as upbit
from exchanges.registry import utc_now
from exchanges.transport.decoding import EPOCH
from exchanges.transport.jwt import hashed_text
from exchanges.transport.wire import Keys, Params, Request
from tests.exchanges.payloads import recorded

VECTORS = recorded("signing_vectors")
HS512 = [vector for vector in VECTORS["upbit"] if vector["alg"] == "HS512"]
KEYS = Keys(access="kimp-test-access", secret="kimp-test-secret")


def params_of(vector: dict[str, Any]) -> Params:
    text = vector["query_string_for_hash"]
    pairs = (part.partition("=") for part in text.split("&") if part)
    return tuple((name, value) for name, _, value in pairs)


@pytest.mark.parametrize("vector", HS512, ids=lambda vector: vector["case"])
def test_upbit_tokens_agree_with_the_vectors(vector: dict[str, Any]) -> None:
    keys = Keys(access=vector["access_key"], secret=vector["secret"])
    params = params_of(vector)
    assert hashed_text(params) == vector["query_string_for_hash"]
    assert upbit.token(keys, vector["nonce"], params) == vector["token"]


@pytest.mark.parametrize("vector", HS512, ids=lambda vector: vector["case"])
def test_upbit_bytes_on_the_wire_agree_with_the_vectors(vector: dict[str, Any]) -> None:
    keys = Keys(access=vector["access_key"], secret=vector["secret"])
    method = "POST" if "POST" in vector["case"] else "GET"
    request = Request(
        operation="any", method=method, path="/v1/x", params=params_of(vector), is_signed=True
    )
    signed = upbit.UpbitDialect(keys, nonce=lambda: vector["nonce"]).sign(request)
    assert signed.headers["Authorization"] == f"Bearer {vector['token']}"
    if method == "POST":
        assert signed.body == vector["on_the_wire"].encode()
    else:
        assert signed.target == "/v1/x" + (
            f"?{vector['on_the_wire']}" * bool(vector["on_the_wire"])
        )


@pytest.mark.parametrize("vector", VECTORS["bithumb"], ids=["query", "bare"])
def test_bithumb_tokens_and_bytes_agree_with_the_vectors(vector: dict[str, Any]) -> None:
    keys = Keys(access=vector["access_key"], secret=vector["secret"])
    at = EPOCH + timedelta(milliseconds=vector["payload"]["timestamp"])
    nonce, params = vector["payload"]["nonce"], params_of(vector)
    assert bithumb.token(keys, nonce, at, params) == vector["token"]
    request = Request(operation="any", method="GET", path="/v1/x", params=params, is_signed=True)
    signed = bithumb.BithumbDialect(keys, lambda: at, nonce=lambda: nonce).sign(request)
    assert signed.headers["Authorization"] == f"Bearer {vector['token']}"
    query = vector["query_string_for_hash"]
    assert signed.target == "/v1/x" + f"?{query}" * bool(query)


def test_bithumb_hashes_a_receivers_name_as_it_is_written() -> None:
    params = (("address", "rAddr"), ("receiver_ko_name", "홍 길동"))
    request = Request(
        operation="withdraw", method="POST", path="/v1/x", params=params, is_signed=True
    )
    signed = bithumb.BithumbDialect(KEYS, lambda: EPOCH).sign(request)
    assert signed.body is not None
    assert json.loads(signed.body) == dict(params)
    claims = signed.headers["Authorization"].split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))
    text = "address=rAddr&receiver_ko_name=홍 길동"
    assert decoded["query_hash"] == hashlib.sha512(text.encode()).hexdigest()
    assert list(decoded) == ["access_key", "nonce", "timestamp", "query_hash", "query_hash_alg"]


def test_every_upbit_request_has_a_nonce_of_its_own() -> None:
    dialect = upbit.UpbitDialect(KEYS)
    request = Request(operation="balances", method="GET", path="/v1/accounts", is_signed=True)
    tokens = {dialect.sign(request).headers["Authorization"] for _ in range(3)}
    assert len(tokens) == 3


def test_upbit_hashes_the_body_in_the_order_it_is_sent() -> None:
    params = (("market", "KRW-XRP"), ("side", "bid"), ("identifier", "k:1"))
    request = Request(
        operation="place_order", method="POST", path="/v1/orders", params=params, is_signed=True
    )
    signed = upbit.UpbitDialect(KEYS).sign(request)
    assert signed.body is not None
    sent = "&".join(f"{name}={value}" for name, value in json.loads(signed.body).items())
    claims = signed.headers["Authorization"].split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(claims + "=="))
    assert decoded["query_hash"] == hashlib.sha512(sent.encode()).hexdigest()


@pytest.mark.parametrize("vector", VECTORS["binance"], ids=["ascii", "percent-encoded"])
def test_binance_signatures_agree_with_the_official_vectors(vector: dict[str, str]) -> None:
    assert signature(vector["secret"], vector["payload"]) == vector["signature"]


def test_binance_reproduces_the_official_order_vector_from_its_parameters() -> None:
    vector = VECTORS["binance"][0]
    at = datetime(2017, 7, 12, 2, 42, 7, 319559, tzinfo=UTC)  # 1499827327319 ms
    pairs = [part.partition("=") for part in vector["payload"].split("&")]
    params = tuple((name, value) for name, _, value in pairs[:-2])
    request = Request(
        operation="place_order", method="POST", path="/api/v3/order", params=params, is_signed=True
    )
    keys = Keys(access="access", secret=vector["secret"])
    signed = BinanceDialect(keys, lambda: at).sign(request)
    text, _, tail = (signed.body or b"").decode().partition("&signature=")
    assert text == vector["payload"].replace("1499827319559", "1499827327319")
    assert tail == signature(vector["secret"], text)
    assert signed.headers["X-MBX-APIKEY"] == "access"


def test_binance_encodes_before_it_signs() -> None:
    request = Request(
        operation="order",
        method="GET",
        path="/api/v3/order",
        params=(("a", "１ &"),),
        is_signed=True,
    )
    signed = BinanceDialect(KEYS, lambda: datetime(2026, 1, 1, tzinfo=UTC)).sign(request)
    text, _, tail = signed.target.partition("?")[2].partition("&signature=")
    assert text.startswith("a=%EF%BC%91%20%26&recvWindow=5000&timestamp=1767225600000")
    assert tail == signature(KEYS.secret, text)


def test_keys_and_signed_requests_do_not_print_themselves() -> None:
    request = Request(operation="balances", method="GET", path="/x", is_signed=True)
    for dialect in (
        upbit.UpbitDialect(KEYS),
        BinanceDialect(KEYS, utc_now),
        bithumb.BithumbDialect(KEYS, utc_now),
    ):
        printed = repr(dialect.sign(request)) + repr(KEYS) + str(KEYS)
        assert "kimp-test" not in printed
        assert "signature" not in printed
        assert "Bearer" not in printed
