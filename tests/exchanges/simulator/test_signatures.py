"""Signatures: the recorded vectors are accepted, and with one byte changed they are not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exchanges.simulator.core.values import Fault, Reply
from exchanges.simulator.core.world import Key
from tests.exchanges.payloads import recorded
from tests.exchanges.simulator.speaking import Speaker, korean_token, new_simulator

VECTORS = recorded("signing_vectors")
PATHS = {
    "no parameters (GET /v1/accounts)": ("GET", "/v1/accounts"),
    "GET /v1/order?identifier=kimp-1": ("GET", "/v1/order"),
    "GET /v1/orders/uuids, array: brackets un-encoded in the hash": ("GET", "/v1/orders/uuids"),
    "POST /v1/orders JSON body, hash over k=v pairs in body order": ("POST", "/v1/orders"),
    "identifier with a colon: hash uses the DECODED text": ("GET", "/v1/order"),
    "GET /v1/order?client_order_id=kimp-1": ("GET", "/v1/order"),
}
BINANCE_ACCESS = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"


def send_upbit(vector: dict[str, Any], token: str, wire: str | None = None) -> Reply:
    return send_korean("upbit", vector, token, wire)


def send_bithumb(vector: dict[str, Any], token: str, *, late_ms: int = 0) -> Reply:
    """Send a vector's request at the instant it was stamped with, or later."""
    at_ms = vector["payload"]["timestamp"] + late_ms
    return send_korean("bithumb", vector, token, vector["query_string_for_hash"], at_ms)


def send_korean(
    venue: str, vector: dict[str, Any], token: str, wire: str | None, at_ms: int | None = None
) -> Reply:
    simulator = new_simulator()
    if at_ms is not None:
        simulator.world.timeline.wall_ms = at_ms
    simulator.world.keys[vector["access_key"]] = Key(
        venue=venue, access=vector["access_key"], secret=vector["secret"]
    )
    method, path = PATHS.get(vector["case"], ("GET", "/v1/accounts"))
    sent = vector.get("on_the_wire", "") if wire is None else wire
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    body = sent.encode() if method == "POST" else b""
    reply = simulator.handle(venue, method, path, "" if body else sent, headers, body)
    assert isinstance(reply, Reply)
    return reply


def flipped(text: str, at: int) -> str:
    return f"{text[:at]}{'B' if text[at] == 'A' else 'A'}{text[at + 1 :]}"


def name_of(reply: Reply) -> Any:
    return json.loads(reply.body)["error"]["name"]


@pytest.mark.parametrize("vector", VECTORS["upbit"], ids=lambda v: f"{v['alg']}-{v['case'][:30]}")
def test_a_recorded_upbit_token_is_accepted(vector: dict[str, Any]) -> None:
    assert send_upbit(vector, vector["token"]).status != 401


@pytest.mark.parametrize("vector", VECTORS["upbit"], ids=lambda v: f"{v['alg']}-{v['case'][:30]}")
@pytest.mark.parametrize("part", [1, 2])
def test_an_upbit_token_with_one_character_changed_is_refused(
    vector: dict[str, Any], part: int
) -> None:
    parts = vector["token"].split(".")
    parts[part] = flipped(parts[part], len(parts[part]) - 2)
    reply = send_upbit(vector, ".".join(parts))
    assert (reply.status, name_of(reply)) == (401, "jwt_verification")


@pytest.mark.parametrize(
    "vector",
    [vector for vector in VECTORS["upbit"] if vector["on_the_wire"]],
    ids=lambda v: f"{v['alg']}-{v['case'][:30]}",
)
def test_upbit_parameters_that_the_token_does_not_cover_are_refused(vector: dict[str, Any]) -> None:
    wire = vector["on_the_wire"]
    changed = wire.replace("kimp-1", "kimp-2").replace("%3A1", "%3A2").replace("=a&", "=c&")
    assert changed != wire
    reply = send_upbit(vector, vector["token"], changed)
    assert (reply.status, name_of(reply)) == (401, "invalid_query_payload")


def send_binance(vector: dict[str, Any], payload: str, signature: str) -> Any:
    simulator = new_simulator()
    simulator.world.timeline.wall_ms = 1499827319559
    simulator.world.keys[BINANCE_ACCESS] = Key(
        venue="binance", access=BINANCE_ACCESS, secret=vector["secret"]
    )
    query = f"{payload}&signature={signature}"
    reply = simulator.handle(
        "binance", "POST", "/api/v3/order", query, {"x-mbx-apikey": BINANCE_ACCESS}
    )
    assert isinstance(reply, Reply)
    return json.loads(reply.body)["code"]


@pytest.mark.parametrize("vector", VECTORS["binance"], ids=["ascii", "percent-encoded"])
def test_an_official_binance_signature_is_accepted(vector: dict[str, Any]) -> None:
    unknown_symbol = -1121  # past the signature: LTCBTC is not listed here
    assert send_binance(vector, vector["payload"], vector["signature"]) == unknown_symbol


@pytest.mark.parametrize("vector", VECTORS["binance"], ids=["ascii", "percent-encoded"])
def test_a_binance_signature_with_one_byte_changed_is_refused(vector: dict[str, Any]) -> None:
    signature, payload = vector["signature"], vector["payload"]
    assert send_binance(vector, payload, flipped(signature, 5)) == -1022
    assert send_binance(vector, payload.replace("BUY", "BUZ"), signature) == -1022


bithumb_vectors = pytest.mark.parametrize("vector", VECTORS["bithumb"], ids=["query", "bare"])


@bithumb_vectors
def test_a_recorded_bithumb_token_is_accepted(vector: dict[str, Any]) -> None:
    assert send_bithumb(vector, vector["token"]).status in {200, 404}  # 404: no such order


@bithumb_vectors
@pytest.mark.parametrize("part", [1, 2])
def test_a_bithumb_token_with_one_character_changed_is_refused(
    vector: dict[str, Any], part: int
) -> None:
    parts = vector["token"].split(".")
    parts[part] = flipped(parts[part], len(parts[part]) - 2)
    reply = send_bithumb(vector, ".".join(parts))
    assert (reply.status, name_of(reply)) == (401, "jwt_verification")


def test_bithumb_parameters_that_the_token_does_not_cover_are_refused() -> None:
    vector = VECTORS["bithumb"][0]
    reply = send_bithumb(
        {**vector, "query_string_for_hash": "client_order_id=kimp-2"}, vector["token"]
    )
    assert (reply.status, name_of(reply)) == (401, "invalid_query_payload")


@bithumb_vectors
@pytest.mark.parametrize("late_ms", [-60_001, 60_001])
def test_a_bithumb_token_of_another_time_has_expired(vector: dict[str, Any], late_ms: int) -> None:
    reply = send_bithumb(vector, vector["token"], late_ms=late_ms)
    assert (reply.status, name_of(reply)) == (401, "expired_jwt")


def test_bithumb_takes_no_token_without_a_stamp_nor_of_another_algorithm(speaker: Speaker) -> None:
    account = speaker.accounts["bithumb"]
    for claims in ({"algorithm": "HS256"}, {"algorithm": "HS512", "timestamp": speaker.wall_ms}):
        token = korean_token(account["access_key"], account["secret_key"], "", "n", **claims)
        headers = {"authorization": f"Bearer {token}"}
        reply = speaker.simulator.handle("bithumb", "GET", "/v1/accounts", "", headers)
        assert isinstance(reply, Reply)
        assert (reply.status, name_of(reply)) == (401, "jwt_verification")


def test_a_key_of_one_korean_venue_opens_nothing_at_the_other(speaker: Speaker) -> None:
    speaker.accounts["bithumb"] = speaker.accounts["upbit"]
    refused = speaker.bithumb("GET", "/v1/accounts")
    assert (refused.status, refused.body["error"]["name"]) == (401, "invalid_access_key")


def test_a_nonce_used_twice_is_refused(speaker: Speaker) -> None:
    speaker.nonces = ["n-1", "n-1"]
    assert speaker.upbit("GET", "/v1/accounts").status == 200
    again = speaker.upbit("GET", "/v1/accounts")
    assert (again.status, again.body["error"]["name"]) == (401, "nonce_used")


def test_a_request_without_a_token_is_refused(speaker: Speaker) -> None:
    reply = speaker.public("upbit", "/v1/accounts")
    assert (reply.status, reply.body["error"]["name"]) == (401, "no_authorization_token")


def test_a_key_without_the_permission_is_out_of_scope(speaker: Speaker) -> None:
    for key in speaker.simulator.world.keys.values():
        key.permissions = frozenset({"read"})
    refused = speaker.upbit("POST", "/v1/orders", market="KRW-XRP")
    assert refused.body["error"]["name"] == "out_of_scope"
    assert speaker.binance("POST", "/api/v3/order", symbol="XRPUSDT").body["code"] == -2015
    refused = speaker.bithumb("POST", "/v2/orders", market="KRW-XRP")
    assert (refused.status, refused.body["error"]["name"]) == (401, "out_of_scope")


@pytest.mark.parametrize(("offset_ms", "code"), [(-5001, -1021), (1000, -1021), (-5000, None)])
def test_binance_accepts_a_timestamp_only_inside_the_window(
    speaker: Speaker, offset_ms: int, code: int | None
) -> None:
    reply = speaker.binance("GET", "/api/v3/account", timestamp=speaker.wall_ms + offset_ms)
    assert reply.body.get("code") == code


def test_binance_checks_the_window_again_when_a_delayed_order_reaches_the_engine(
    speaker: Speaker,
) -> None:
    order = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "10"}
    speaker.control(
        "POST", "/control/faults", venue="binance", action="delay_ms", args={"value": 3000}
    )
    late = speaker.binance_raw("POST", "/api/v3/order", **order, recvWindow=2000)
    assert isinstance(late, Fault)
    assert json.loads(late.reply.body)["code"] == -1021
    assert speaker.rows("order_accepted") == []


def test_binance_asks_for_what_is_missing_and_refuses_what_is_unknown(speaker: Speaker) -> None:
    assert speaker.binance("GET", "/api/v3/account", timestamp=None).body["code"] == -1102
    assert speaker.binance("POST", "/api/v3/order", symbol="").body["code"] == -1105
    unknown = speaker.binance("POST", "/api/v3/order", symbol="XRPUSDT", colour="red")
    assert unknown.body["code"] == -1104
    assert speaker.binance("GET", "/api/v3/account", recvWindow=60001).body["code"] == -1131


def test_the_removed_listen_key_routes_are_gone(speaker: Speaker) -> None:
    assert speaker.binance("POST", "/api/v3/userDataStream").status == 410
