"""The fault table: each row does what it says, and the journal tells the truth about it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from exchanges.simulator.core.values import Fault, Reply
from tests.exchanges.simulator.speaking import Speaker, said

BUY = {"symbol": "XRPUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "IOC"}


def buy(speaker: Speaker, client_id: str = "k1", **changes: Any) -> Reply | Fault:
    order = {**BUY, "quantity": "10", "price": "2.5", "newClientOrderId": client_id, **changes}
    return speaker.binance_raw("POST", "/api/v3/order", **order)


def bid(speaker: Speaker, identifier: str = "k1", **changes: Any) -> Reply | Fault:
    order = {
        "market": "KRW-XRP",
        "side": "bid",
        "ord_type": "limit",
        "volume": "10",
        "price": "3000",
        "identifier": identifier,
        **changes,
    }
    return speaker.upbit_raw("POST", "/v1/orders", **order)


def withdraw(speaker: Speaker) -> Reply | Fault:
    to = speaker.address("upbit", "XRP")
    return speaker.binance_raw(
        "POST",
        "/sapi/v1/capital/withdraw/apply",
        coin="XRP",
        network="XRP",
        address=to["address"],
        addressTag=to["tag"],
        amount="100",
        withdrawOrderId="w1",
    )


def accepted(speaker: Speaker) -> int:
    return len(speaker.rows("order_accepted"))


def truth(speaker: Speaker) -> Any:
    return [(row["fault"], row["applied"]) for row in speaker.rows("fault")]


@pytest.mark.parametrize("place", [buy, bid], ids=["binance", "upbit"])
@pytest.mark.parametrize(
    ("fault", "action", "applied"),
    [
        ("F1", "hang", False),
        ("F2", "hang", True),
        ("F6", "fin", True),
        ("F7", "rst", True),
        ("F8", "truncated", True),
    ],
)
def test_a_broken_connection_is_journalled_with_whether_the_order_stands(
    pinned: Speaker, place: Any, fault: str, action: str, applied: bool
) -> None:
    venue = "binance" if place is buy else "upbit"
    pinned.fault(fault, venue, method="POST", path_regex="/order", when="once")
    broken = place(pinned)
    assert isinstance(broken, Fault)
    assert broken.action == action
    assert accepted(pinned) == int(applied)
    assert truth(pinned) == [(fault, applied)]


@pytest.mark.parametrize(
    ("fault", "status", "applied"), [("F3", 502, False), ("F4", 503, True), ("F5", 524, True)]
)
def test_a_gateway_error_page_says_nothing_about_the_order(
    pinned: Speaker, fault: str, status: int, applied: bool
) -> None:
    pinned.fault(fault, "binance", method="POST", path_regex="/order", when="once")
    reply = buy(pinned)
    assert isinstance(reply, Reply)
    assert (reply.status, reply.content_type) == (status, "text/html")
    assert (accepted(pinned), truth(pinned)) == (int(applied), [(fault, applied)])


@pytest.mark.parametrize(
    ("kind", "body"), [("empty", b""), ("object", b"{}"), ("list", b"[]"), ("html", b"<html>")]
)
def test_a_success_with_garbage_hides_an_order_that_stands(
    pinned: Speaker, kind: str, body: bytes
) -> None:
    pinned.fault("F9", "upbit", method="POST", path_regex="/orders", args={"kind": kind})
    reply = bid(pinned)
    assert isinstance(reply, Reply)
    assert reply.status == 201
    assert reply.body.startswith(body)
    assert accepted(pinned) == 1


@pytest.mark.parametrize("kind", ["truncated", "bom", "wrong_type"])
def test_a_success_may_be_cut_or_mislabelled(pinned: Speaker, kind: str) -> None:
    pinned.fault("F9", "binance", method="POST", path_regex="/order", args={"kind": kind})
    reply = buy(pinned)
    assert isinstance(reply, Reply)
    assert (reply.status, accepted(pinned)) == (200, 1)
    assert reply.content_type == "text/html" or not reply.body.endswith(b"]}")


def test_a_refused_order_is_not_spoilt_after_acceptance(pinned: Speaker) -> None:
    pinned.fault("F2", "binance", method="POST", path_regex="/order")
    refused = said(buy(pinned, quantity="1000000"))
    assert refused.body["code"] == -2010
    assert truth(pinned) == []


def test_f10_asks_the_transport_to_close_the_port(pinned: Speaker) -> None:
    pinned.fault("F10", "upbit")
    assert pinned.simulator.faults.refuses_connections("upbit")
    assert not pinned.simulator.faults.refuses_connections("binance")
    pinned.control("DELETE", "/control/faults")
    assert not pinned.simulator.faults.refuses_connections("upbit")


def test_f11_refuses_a_client_id_as_a_duplicate(pinned: Speaker) -> None:
    pinned.fault("F11", "upbit", when="once")
    pinned.fault("F11", "binance", when="once")
    assert said(bid(pinned)).body["error"]["name"] == "duplicated_identifier"
    assert said(buy(pinned)).body["msg"] == "Duplicate order sent."
    assert accepted(pinned) == 0


def test_f13_fills_a_part_and_then_the_rest_is_cancelled(pinned: Speaker) -> None:
    pinned.fault("F13", "binance", when="once")
    reply = said(buy(pinned)).body
    assert (reply["status"], reply["executedQty"]) == ("EXPIRED", "5.00000000")


@pytest.mark.parametrize("venue", ["upbit", "binance"])
def test_f13_lets_a_cancel_race_a_fill(pinned: Speaker, venue: str) -> None:
    pinned.fault(
        "F13", venue, method="DELETE", path_regex="/order", action="fill_before_cancel", args={}
    )
    if venue == "upbit":
        bid(pinned, price="2900")
        assert pinned.upbit("DELETE", "/v1/order", identifier="k1").status == 200
        state = pinned.upbit("GET", "/v1/order", identifier="k1").body["state"]
        assert state == "done"
    else:
        buy(pinned, price="2.1", timeInForce="GTC")
        key = {"symbol": "XRPUSDT", "origClientOrderId": "k1"}
        assert pinned.binance("DELETE", "/api/v3/order", **key).body["code"] == -2011
        assert pinned.binance("GET", "/api/v3/order", **key).body["status"] == "FILLED"


def test_f14_lets_an_immediate_order_find_nothing(pinned: Speaker) -> None:
    pinned.fault("F14", "binance", when="once")
    pinned.fault("F14", "upbit", when="once")
    assert said(buy(pinned)).body["status"] == "EXPIRED"
    bid(pinned, time_in_force="ioc")
    seen = pinned.upbit("GET", "/v1/order", identifier="k1").body
    assert (seen["state"], seen["executed_volume"]) == ("cancel", "0")


def test_f15_reads_lag_behind_what_happened(pinned: Speaker) -> None:
    pinned.fault("F15", "binance")
    pinned.fault("F15", "upbit")
    usdt = pinned.held("binance", "USDT")[0]
    pinned.wait(1)
    buy(pinned)
    bid(pinned)
    key = {"symbol": "XRPUSDT", "origClientOrderId": "k1"}
    assert pinned.binance("GET", "/api/v3/order", **key).body["code"] == -2013
    assert pinned.upbit("GET", "/v1/order", identifier="k1").status == 404
    rows = pinned.binance("GET", "/api/v3/account").body["balances"]
    shown = {row["asset"]: Decimal(row["free"]) for row in rows}
    assert shown["USDT"] == usdt
    pinned.wait(4)
    assert pinned.binance("GET", "/api/v3/order", **key).body["status"] == "FILLED"
    assert pinned.upbit("GET", "/v1/order", identifier="k1").body["state"] == "done"
    rows = pinned.binance("GET", "/api/v3/account").body["balances"]
    assert {row["asset"]: Decimal(row["free"]) for row in rows}["USDT"] == usdt - 25


def test_f22_says_the_funds_are_insufficient_although_they_are_not(pinned: Speaker) -> None:
    pinned.fault("F22", "binance", when="once")
    pinned.fault("F22", "upbit", when="once")
    assert said(buy(pinned)).body["code"] == -2010
    assert said(bid(pinned)).body["error"]["name"] == "insufficient_funds_bid"
    assert accepted(pinned) == 0


def test_f24_hangs_a_withdrawal_that_was_accepted(pinned: Speaker) -> None:
    pinned.fault("F24", "binance", when="once")
    assert isinstance(withdraw(pinned), Fault)
    path = "/sapi/v1/capital/withdraw/history"
    rows = pinned.binance("GET", path, withdrawOrderId="w1").body
    assert len(rows) == 1
    posts = [s for s in pinned.simulator.seen if s.method == "POST" and "withdraw" in s.path]
    assert len(posts) == 1


def test_f25_hangs_a_withdrawal_that_never_was(pinned: Speaker) -> None:
    pinned.fault("F25", "binance", when="once")
    assert isinstance(withdraw(pinned), Fault)
    path = "/sapi/v1/capital/withdraw/history"
    assert pinned.binance("GET", path, withdrawOrderId="w1").body == []


@pytest.mark.parametrize(("outcome", "status"), [("reject", 3), ("fail", 5), ("cancel", 1)])
def test_f27_ends_a_withdrawal_and_unlocks_its_funds(
    pinned: Speaker, outcome: str, status: int
) -> None:
    pinned.fault("F27", "binance", args={"value": outcome}, when="once")
    withdraw(pinned)
    assert pinned.held("binance", "XRP") == (Decimal(900), Decimal(100))
    pinned.wait(5)
    row = pinned.binance("GET", "/sapi/v1/capital/withdraw/history", coin="XRP").body[0]
    assert row["status"] == status
    assert pinned.held("binance", "XRP") == (Decimal(1000), Decimal(0))


def test_f28_leaves_a_withdrawal_in_processing_until_it_is_released(pinned: Speaker) -> None:
    pinned.fault("F28", "binance", when="once")
    withdraw(pinned)
    pinned.wait(600)
    row = pinned.binance("GET", "/sapi/v1/capital/withdraw/history", coin="XRP").body[0]
    assert (row["status"], row["txId"]) == (4, "")
    pinned.control("POST", "/control/chain", withdrawal_id=row["id"], action="release")
    pinned.wait(5)
    assert pinned.held("upbit", "XRP")[0] == Decimal("1099.8")


def test_a_rule_may_pick_the_nth_request(pinned: Speaker) -> None:
    pinned.fault("F1", "binance", method="POST", path_regex="/order", when={"nth": 2})
    kinds = [type(buy(pinned, f"k{number}")) for number in range(3)]
    assert kinds == [Reply, Fault, Reply]


@pytest.mark.parametrize("place", [buy, bid], ids=["binance", "upbit"])
def test_a_rule_may_pick_requests_by_client_id(pinned: Speaker, place: Any) -> None:
    pinned.fault("F2", "", method="POST", path_regex="/order", when={"client_id_regex": "^k7$"})
    assert isinstance(place(pinned, "k1"), Reply)
    assert isinstance(place(pinned, "k7"), Fault)


def test_a_rule_may_pick_requests_by_their_query(pinned: Speaker) -> None:
    pinned.fault("F36", "upbit", args={"kind": "crossed"}, query_regex="KRW-XRP")
    sound = pinned.public("upbit", "/v1/orderbook", "markets=KRW-BTC").body[0]["orderbook_units"][0]
    odd = pinned.public("upbit", "/v1/orderbook", "markets=KRW-XRP").body[0]["orderbook_units"][0]
    assert sound["bid_price"] < sound["ask_price"]
    assert odd["bid_price"] > odd["ask_price"]


def test_a_rule_with_a_probability_hits_the_same_requests_for_the_same_seed(
    pinned: Speaker,
) -> None:
    pinned.fault("F1", "binance", method="POST", path_regex="/order", when={"prob": "0.5"})
    hits = [isinstance(buy(pinned, f"k{number}"), Fault) for number in range(40)]
    assert 8 < sum(hits) < 32
    pinned.control("POST", "/control/reset", seed=1, scenario="unlimited")
    pinned.fault("F1", "binance", method="POST", path_regex="/order", when={"prob": "0.5"})
    assert [isinstance(buy(pinned, f"k{number}"), Fault) for number in range(40)] == hits


def test_a_rule_that_makes_no_sense_is_refused(pinned: Speaker) -> None:
    for spec in ({}, {"fault": "F99"}, {"fault": "F1", "when": "sometimes"}):
        assert pinned.control("POST", "/control/faults", **spec).status == 400
    assert pinned.control("GET", "/control/faults").body == []
