"""Binance's WebSocket API: signed requests, and the account's events as they happen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.exchanges.simulator.speaking import Speaker, new_simulator
from tests.exchanges.simulator.streaming import ApiClient, binance_api, binance_user, signed

LIMIT = {"symbol": "XRPUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
MARKET = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "10"}


@pytest.fixture
def pinned(speaker: Speaker) -> Speaker:
    speaker.pin("binance", "XRPUSDT", [["2.4", "1000"]], [["2.5", "6"], ["2.6", "1000"]])
    return speaker


def reports(client: ApiClient, *names: str) -> list[tuple[Any, ...]]:
    events = [event for event in client.events() if event["e"] == "executionReport"]
    return [tuple(event[name] for name in names) for event in events]


def test_public_methods_answer_what_rest_answers(speaker: Speaker) -> None:
    client = binance_api(speaker)
    assert client.call("ping")["result"] == {}
    assert client.call("time")["result"] == {"serverTime": speaker.wall_ms}
    depth = client.call("depth", symbol="XRPUSDT", limit=5)["result"]
    assert depth == speaker.public("binance", "/api/v3/depth", "symbol=XRPUSDT&limit=5").body
    assert client.call("v3/time")["status"] == 200


def test_an_answer_carries_id_status_and_limits_unless_they_are_not_wanted() -> None:
    speaker = Speaker(new_simulator(scenario="default"))
    client = binance_api(speaker)
    client.say({"id": "mine", "method": "time"})
    answer = client.one()
    assert (answer["id"], answer["status"]) == ("mine", 200)
    assert answer["rateLimits"] == [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
         "limit": 6000, "count": 1}
    ]  # fmt: skip
    assert "rateLimits" not in client.call("time", returnRateLimits=False)
    placed = client.call("order.place", **signed(speaker, **MARKET))
    assert [row["count"] for row in placed["rateLimits"]] == [2, 1, 1]
    rest = speaker.public("binance", "/api/v3/ping")
    assert rest.headers["X-MBX-USED-WEIGHT-1M"] == "3"  # one count for both doors


def test_an_order_is_placed_read_and_cancelled(pinned: Speaker) -> None:
    client = binance_api(pinned)
    placed = client.call(
        "order.place", **signed(pinned, **LIMIT, price="2.45", quantity="10", newClientOrderId="k1")
    )
    assert placed["result"]["status"] == "NEW"
    read = client.call("order.status", **signed(pinned, symbol="XRPUSDT", origClientOrderId="k1"))
    rest = pinned.binance("GET", "/api/v3/order", symbol="XRPUSDT", origClientOrderId="k1").body
    assert read["result"] == rest
    gone = client.call("order.cancel", **signed(pinned, symbol="XRPUSDT", origClientOrderId="k1"))
    assert (gone["status"], gone["result"]["status"]) == (200, "CANCELED")
    again = client.call("order.cancel", **signed(pinned, symbol="XRPUSDT", origClientOrderId="k1"))
    assert (again["status"], again["error"]["code"]) == (400, -2011)
    assert pinned.kinds().count("order_accepted") == 1


def test_numbers_and_booleans_are_signed_as_they_are_written(speaker: Speaker) -> None:
    client = binance_api(speaker)
    order = {**MARKET, "quantity": 10, "recvWindow": 5000, "returnRateLimits": False}
    answer = client.call("order.place", **signed(speaker, **order))
    assert answer["status"] == 200, answer


@pytest.mark.parametrize(
    ("spoil", "status", "code"),
    [
        ({"signature": "0" * 64}, 400, -1022),
        ({"quantity": "11"}, 400, -1022),
        ({"apiKey": "x" * 64}, 401, -2015),
        ({"timestamp": 1}, 400, -1022),
        ({"apiKey": ""}, 401, -2014),
    ],
)
def test_a_request_signed_wrongly_is_refused_and_not_applied(
    speaker: Speaker, spoil: dict[str, Any], status: int, code: int
) -> None:
    client = binance_api(speaker)
    answer = client.call("order.place", **{**signed(speaker, **MARKET), **spoil})
    assert (answer["status"], answer["error"]["code"]) == (status, code)
    assert "order_accepted" not in speaker.kinds()


def test_the_window_is_kept(speaker: Speaker) -> None:
    client = binance_api(speaker)
    late = signed(speaker, **MARKET, timestamp=speaker.wall_ms - 6000)
    assert client.call("order.place", **late)["error"]["code"] == -1021
    early = signed(speaker, **MARKET, timestamp=speaker.wall_ms + 1000)
    assert client.call("order.place", **early)["error"]["code"] == -1021


@pytest.mark.parametrize(
    ("message", "code"),
    [("{", -1135), ("[]", -1135), ('{"id": 1}', -1135), ('{"id": 1, "method": 2}', -1135),
     ('{"id": 1, "method": "order.dance"}', -1020),
     ('{"id": 1, "method": "order.place", "params": {"symbol": "XRPUSDT"}}', -2014)],
)  # fmt: skip
def test_a_request_that_makes_no_sense_is_answered(
    speaker: Speaker, message: str, code: int
) -> None:
    client = binance_api(speaker)
    client.say(message)
    assert client.one()["error"]["code"] == code


def test_a_subscription_is_numbered_listed_and_ended(speaker: Speaker) -> None:
    client = binance_user(speaker)
    assert client.call("session.subscriptions")["result"] == [{"subscriptionId": 0}]
    twice = client.call("userDataStream.subscribe.signature", **signed(speaker))
    assert twice["error"]["code"] == -2035
    client.events()
    client.call("userDataStream.unsubscribe", subscriptionId=0)
    assert [event["e"] for event in client.events()] == ["eventStreamTerminated"]
    speaker.binance("POST", "/api/v3/order", **MARKET)
    assert client.events() == []


def test_a_subscription_needs_a_signature_and_the_right_to_read(speaker: Speaker) -> None:
    client = binance_api(speaker)
    wrong = {**signed(speaker), "signature": "f" * 64}
    refused = client.call("userDataStream.subscribe.signature", **wrong)
    assert refused["error"]["code"] == -1022
    key = speaker.simulator.world.keys[speaker.binance_account["access_key"]]
    key.permissions = frozenset({"trade"})
    refused = client.call("userDataStream.subscribe.signature", **signed(speaker))
    assert refused["error"]["code"] == -2015


def test_a_key_that_expires_ends_its_subscription(speaker: Speaker) -> None:
    client = binance_user(speaker)
    client.events()
    speaker.simulator.world.keys[speaker.binance_account["access_key"]].is_expired = True
    speaker.wait(0.1)
    assert [event["e"] for event in client.events()] == ["eventStreamTerminated"]


def test_events_are_wrapped_with_their_subscription(speaker: Speaker) -> None:
    client = binance_user(speaker)
    speaker.binance("POST", "/api/v3/order", **MARKET)
    rows = client.heard()
    assert [set(row) for row in rows] == [{"subscriptionId", "event"}] * 4
    assert {row["subscriptionId"] for row in rows} == {0}


def test_a_fill_is_reported_piece_by_piece_and_the_last_one_as_filled(pinned: Speaker) -> None:
    client = binance_user(pinned)
    client.events()
    placed = pinned.binance("POST", "/api/v3/order", **MARKET, newClientOrderId="k1").body
    events = [event for event in client.events() if event["e"] == "executionReport"]
    assert [tuple(e[name] for name in ("x", "X", "l", "z", "L")) for e in events] == [
        ("NEW", "NEW", "0.00000000", "0.00000000", "0.00000000"),
        ("TRADE", "PARTIALLY_FILLED", "6.00000000", "6.00000000", "2.50000000"),
        ("TRADE", "FILLED", "4.00000000", "10.00000000", "2.60000000"),
    ]
    last = events[-1]
    assert (last["c"], last["C"], last["i"]) == ("k1", "", placed["orderId"])
    assert [e["t"] for e in events[1:]] == [fill["tradeId"] for fill in placed["fills"]]
    assert [(e["n"], e["N"]) for e in events[1:]] == [
        (fill["commission"], fill["commissionAsset"]) for fill in placed["fills"]
    ]
    assert last["Z"] == placed["cummulativeQuoteQty"]


def test_a_report_has_the_documented_fields(pinned: Speaker) -> None:
    client = binance_user(pinned)
    client.events()
    pinned.binance("POST", "/api/v3/order", **MARKET)
    event = next(event for event in client.events() if event["e"] == "executionReport")
    assert event.keys() == set("eEscSofqpPFgCxXrilzLnNTtIwmMOZYQWV")


def test_a_cancel_is_reported_with_both_client_ids(pinned: Speaker) -> None:
    client = binance_user(pinned)
    order = {**LIMIT, "price": "2.45", "quantity": "10"}
    pinned.binance("POST", "/api/v3/order", **order, newClientOrderId="k1")
    client.events()
    cancel = {"symbol": "XRPUSDT", "origClientOrderId": "k1", "newClientOrderId": "c1"}
    pinned.binance("DELETE", "/api/v3/order", **cancel)
    assert reports(client, "x", "X", "c", "C", "z") == [
        ("CANCELED", "CANCELED", "c1", "k1", "0.00000000")
    ]


@pytest.mark.parametrize("force", ["IOC", "FOK"])
def test_what_finds_nothing_expires(pinned: Speaker, force: str) -> None:
    client = binance_user(pinned)
    client.events()
    order = {**LIMIT, "timeInForce": force, "price": "2.45", "quantity": "10"}
    pinned.binance("POST", "/api/v3/order", **order, newClientOrderId="k1")
    assert reports(client, "x", "X", "c") == [("NEW", "NEW", "k1"), ("EXPIRED", "EXPIRED", "k1")]


def test_a_resting_order_is_reported_as_maker_at_the_instant_of_its_fill(pinned: Speaker) -> None:
    client = binance_user(pinned)
    pinned.binance("POST", "/api/v3/order", **LIMIT, price="2.45", quantity="10")
    client.events()
    pinned.pin("binance", "XRPUSDT", [["2.3", "1000"]], [["2.44", "1000"]])
    assert reports(client, "x", "X", "m", "w") == [("TRADE", "FILLED", True, True)]


def test_balances_follow_each_order_event_as_rest_shows_them(pinned: Speaker) -> None:
    client = binance_user(pinned)
    client.events()
    pinned.binance("POST", "/api/v3/order", **LIMIT, price="2.55", quantity="10")
    events = client.events()
    assert [event["e"] for event in events] == [
        "executionReport", "outboundAccountPosition", "executionReport", "outboundAccountPosition",
    ]  # fmt: skip
    shown = {row["a"]: (row["f"], row["l"]) for event in events for row in event.get("B", [])}
    rows = pinned.binance("GET", "/api/v3/account").body["balances"]
    assert shown == {row["asset"]: (row["free"], row["locked"]) for row in rows}


def test_a_withdrawal_and_a_deposit_are_balance_updates(speaker: Speaker) -> None:
    speaker.credit("binance", "XRP", "100")
    client = binance_user(speaker)
    client.events()
    to = speaker.address("upbit", "XRP")
    speaker.binance(
        "POST", "/sapi/v1/capital/withdraw/apply", coin="XRP", network="XRP", amount="50",
        address=to["address"], addressTag=to["tag"],
    )  # fmt: skip
    update, position = client.events()
    assert (update["e"], update["a"], update["d"]) == ("balanceUpdate", "XRP", "-50.00000000")
    assert position["B"] == [{"a": "XRP", "f": "50.00000000", "l": "50.00000000"}]
    speaker.credit("binance", "XRP", "7")
    update, position = client.events()
    assert (update["d"], position["B"][0]["f"]) == ("7.00000000", "57.00000000")


def test_events_of_one_venue_are_not_told_at_the_other(speaker: Speaker) -> None:
    client = binance_user(speaker)
    client.events()
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "10000"}
    assert speaker.upbit("POST", "/v1/orders", **order).status == 201
    assert client.events() == []


def test_the_answer_to_an_order_comes_before_its_events(pinned: Speaker) -> None:
    client = binance_user(pinned)
    client.say({"id": 9, "method": "order.place", "params": signed(pinned, **MARKET)})
    answer, *events = client.heard()
    assert answer["id"] == 9
    assert events
    assert all("event" in row for row in events)


def test_the_events_say_the_venues_own_time(speaker: Speaker) -> None:
    speaker.control("POST", "/control/skew", venue="binance", ms="700")
    client = binance_api(speaker)
    stamp = speaker.wall_ms + 700
    answer = client.call("userDataStream.subscribe.signature", **signed(speaker, timestamp=stamp))
    assert answer["status"] == 200
    client.events()
    speaker.credit("binance", "XRP", "1")
    assert client.events()[0]["E"] == stamp


def test_orders_through_the_stream_are_kept_like_those_of_rest(speaker: Speaker) -> None:
    kept: list[Any] = []
    speaker.simulator.recorder = kept.append
    client = binance_api(speaker)
    client.call("order.place", **signed(speaker, **MARKET, newClientOrderId="k1"))
    again = new_simulator()
    for entry in kept:
        again.replay(entry)
    assert again.world.journal.lines() == speaker.simulator.world.journal.lines()
    texts = [entry.request.query for entry in kept]
    assert not any("signature" in text or "apiKey" in text for text in texts)
    seen = json.dumps(speaker.control("GET", "/control/requests").body, default=str)
    assert speaker.binance_account["access_key"] not in seen
