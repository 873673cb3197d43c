"""Routes about several orders, replacements, counts, weights and parameters nobody knows."""

from __future__ import annotations

from typing import Any

import pytest

from tests.exchanges.simulator.speaking import Said, Speaker, new_simulator

BID = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit", "volume": "10", "price": "2000"}
LIMIT = {"symbol": "XRPUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
REPLACE = "/api/v3/order/cancelReplace"


@pytest.fixture
def pinned(speaker: Speaker) -> Speaker:
    speaker.pin("upbit", "KRW-XRP", [["2990", "1000"]], [["3000", "1000"]])
    speaker.pin("binance", "XRPUSDT", [["2.4", "1000"]], [["2.5", "1000"]])
    return speaker


def bid(speaker: Speaker, identifier: str, **changes: str) -> Said:
    return speaker.upbit("POST", "/v1/orders", **{**BID, **changes}, identifier=identifier)


def rest(speaker: Speaker, client_id: str, price: str = "2.1") -> Said:
    order = {**LIMIT, "quantity": "20", "price": price}
    return speaker.binance("POST", "/api/v3/order", **order, newClientOrderId=client_id)


def replace(speaker: Speaker, **changes: Any) -> Said:
    order = {**LIMIT, "quantity": "20", "price": "2.2", "newClientOrderId": "new"}
    given = {"cancelReplaceMode": "STOP_ON_FAILURE", "cancelOrigClientOrderId": "old", **changes}
    return speaker.binance("POST", REPLACE, **order | given)


def test_cancels_by_id_tell_apart_what_could_not_be_cancelled(pinned: Speaker) -> None:
    made = bid(pinned, "a").body
    done = pinned.upbit("DELETE", "/v1/orders/uuids", **{"uuids[]": made["uuid"]}).body
    assert done["success"]["orders"] == [
        {"uuid": made["uuid"], "market": "KRW-XRP", "identifier": "a"}
    ]
    again = pinned.upbit("DELETE", "/v1/orders/uuids", **{"identifiers[]": "a"}).body
    assert (again["success"]["count"], again["failed"]["count"]) == (0, 1)
    assert pinned.upbit("DELETE", "/v1/orders/uuids").status == 400


def test_cancel_open_keeps_to_side_pairs_and_count(pinned: Speaker) -> None:
    pinned.credit("upbit", "XRP", "100")
    for name in ("a", "b", "c"):
        bid(pinned, name)
    bid(pinned, "d", side="ask", price="4000")
    assert pinned.upbit("DELETE", "/v1/orders/open", excluded_pairs="KRW-XRP").body["success"]["count"] == 0  # fmt: skip
    newest = pinned.upbit("DELETE", "/v1/orders/open", cancel_side="bid", count="1").body
    assert newest["success"]["orders"][0]["identifier"] == "c"
    rest_of = pinned.upbit("DELETE", "/v1/orders/open", cancel_side="bid", quote_currencies="KRW")
    assert rest_of.body["success"]["count"] == 2
    left = pinned.upbit("GET", "/v1/orders/open").body
    assert [order["identifier"] for order in left] == ["d"]


def test_cancel_and_new_keeps_market_and_side_and_names_the_new_order(pinned: Speaker) -> None:
    old = bid(pinned, "a").body
    order = {"prev_order_uuid": old["uuid"], "new_ord_type": "limit", "new_price": "2100"}
    reply = pinned.upbit("POST", "/v1/orders/cancel_and_new", **order, new_volume="remain_only", new_identifier="b")  # fmt: skip
    assert (reply.status, reply.body["uuid"], reply.body["state"]) == (201, old["uuid"], "cancel")
    new = pinned.upbit("GET", "/v1/order", uuid=reply.body["new_order_uuid"]).body
    assert (new["identifier"], new["side"], new["volume"], new["price"]) == (
        "b", "bid", "10", "2100",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "name", "is_cancelled"),
    [
        ({"new_price": "2100.5"}, "invalid_price_bid", False),
        ({"new_volume": "1000000"}, "over_max_total_bid", False),
        ({"new_volume": "100000"}, "insufficient_funds_bid", True),
        ({"prev_order_identifier": "nope"}, "order_not_found", False),
    ],
)
def test_what_of_cancel_and_new_stands_when_the_new_order_is_refused(
    pinned: Speaker, changes: dict[str, str], name: str, is_cancelled: bool
) -> None:
    bid(pinned, "a")
    order = {"prev_order_identifier": "a", "new_ord_type": "limit", "new_price": "2100", "new_volume": "10"}  # fmt: skip
    reply = pinned.upbit("POST", "/v1/orders/cancel_and_new", **{**order, **changes})
    assert reply.body["error"]["name"] == name
    state = pinned.upbit("GET", "/v1/order", identifier="a").body["state"]
    assert state == ("cancel" if is_cancelled else "wait")


def test_self_match_prevention_is_echoed_and_never_with_post_only(pinned: Speaker) -> None:
    assert bid(pinned, "a", smp_type="reduce").body["smp_type"] == "reduce"
    for changes in ({"smp_type": "odd"}, {"smp_type": "reduce", "time_in_force": "post_only"}):
        assert bid(pinned, "b", **changes).body["error"]["name"] == "validation_error"


def test_only_waiting_orders_are_open(pinned: Speaker) -> None:
    bid(pinned, "a")
    assert len(pinned.upbit("GET", "/v1/orders/open", **{"states[]": "wait"}).body) == 1
    assert pinned.upbit("GET", "/v1/orders/open", **{"states[]": "watch"}).body == []
    assert pinned.upbit("GET", "/v1/orders/open", **{"states[]": "done"}).status == 400


def test_a_replacement_that_works_tells_both_halves(pinned: Speaker) -> None:
    rest(pinned, "old")
    reply = replace(pinned)
    assert (reply.status, reply.body["cancelResult"], reply.body["newOrderResult"]) == (
        200, "SUCCESS", "SUCCESS",
    )  # fmt: skip
    assert reply.body["cancelResponse"]["origClientOrderId"] == "old"
    assert reply.body["newOrderResponse"]["clientOrderId"] == "new"
    open_ids = [row["clientOrderId"] for row in pinned.binance("GET", "/api/v3/openOrders").body]
    assert open_ids == ["new"]


@pytest.mark.parametrize(
    ("has_old", "changes", "status", "code", "results"),
    [
        (False, {}, 400, -2022, ("FAILURE", "NOT_ATTEMPTED")),
        (False, {"cancelReplaceMode": "ALLOW_FAILURE"}, 409, -2021, ("FAILURE", "SUCCESS")),
        (True, {"quantity": "100000"}, 409, -2021, ("SUCCESS", "FAILURE")),
        (False, {"cancelReplaceMode": "ALLOW_FAILURE", "quantity": "100000"}, 400, -2022, ("FAILURE", "FAILURE")),
    ],
)  # fmt: skip
def test_a_replacement_that_fails_tells_which_half(
    pinned: Speaker,
    has_old: bool,
    changes: dict[str, Any],
    status: int,
    code: int,
    results: tuple[str, str],
) -> None:
    if has_old:
        rest(pinned, "old")
    reply = replace(pinned, **changes)
    data = reply.body["data"]
    assert (reply.status, reply.body["code"]) == (status, code)
    assert (data["cancelResult"], data["newOrderResult"]) == results


def test_a_replacement_that_breaks_a_filter_cancels_nothing(pinned: Speaker) -> None:
    rest(pinned, "old")
    assert replace(pinned, price="2.20001").body["code"] == -1013
    assert len(pinned.binance("GET", "/api/v3/openOrders").body) == 1


@pytest.mark.parametrize(
    ("method", "path", "params"),
    [
        ("GET", "/api/v3/account", {}),
        ("GET", "/api/v3/order", {"symbol": "XRPUSDT", "orderId": 1}),
        ("DELETE", "/api/v3/openOrders", {"symbol": "XRPUSDT"}),
        ("GET", "/sapi/v1/capital/withdraw/history", {}),
        ("GET", "/api/v3/rateLimit/order", {}),
    ],
)
def test_a_parameter_that_a_signed_route_does_not_know_is_refused(
    speaker: Speaker, method: str, path: str, params: dict[str, Any]
) -> None:
    assert speaker.binance(method, path, **params).body != {}
    assert speaker.binance(method, path, **params, colour="red").body["code"] == -1104


def test_orders_are_counted_where_they_are_asked_for() -> None:
    speaker = Speaker(new_simulator(scenario="default"))
    counts = "/api/v3/rateLimit/order"
    rest(speaker, "a")
    speaker.binance("POST", "/api/v3/order", **LIMIT, quantity="20", price="2.20001")  # refused too
    assert [row["count"] for row in speaker.binance("GET", counts).body] == [2, 2]
    speaker.wait(11)
    assert [row["count"] for row in speaker.binance("GET", counts).body] == [0, 2]


@pytest.mark.parametrize(
    ("path", "query", "weight"),
    [
        ("/api/v3/depth", "symbol=XRPUSDT", 5),
        ("/api/v3/depth", "symbol=XRPUSDT&limit=500", 25),
        ("/api/v3/depth", "symbol=XRPUSDT&limit=5000", 250),
        ("/api/v3/ticker/24hr", "symbol=XRPUSDT", 2),
        ("/api/v3/ticker/24hr", "", 80),
        ("/api/v3/ticker/price", "", 4),
        ("/api/v3/klines", "symbol=XRPUSDT&interval=1m", 2),
    ],
)
def test_a_request_weighs_what_it_asks_for(path: str, query: str, weight: int) -> None:
    speaker = Speaker(new_simulator(scenario="default"))
    assert speaker.public("binance", path, query).headers["X-MBX-USED-WEIGHT-1M"] == str(weight)


def test_restrictions_are_those_of_the_key_that_signs(speaker: Speaker) -> None:
    (key,) = [key for key in speaker.simulator.world.keys.values() if key.venue == "binance"]
    key.permissions = frozenset({"read"})
    told = speaker.binance("GET", "/sapi/v1/account/apiRestrictions").body
    assert (told["enableReading"], told["enableWithdrawals"]) == (True, False)
