"""Bithumb's orders: taken first and answered for later, ids, fees, states, batches, pages."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from tests.exchanges.simulator.speaking import BEGIN_MS, Speaker, said

ASKS = [["3000", "100"], ["3001", "50"], ["3010", "1000"]]
BIDS = [["2999", "100"], ["2990", "1000"]]


@pytest.fixture
def pinned(speaker: Speaker) -> Speaker:
    speaker.pin("bithumb", "KRW-XRP", BIDS, ASKS)
    speaker.credit("bithumb", "XRP", "500")
    return speaker


def place(speaker: Speaker, **changes: Any) -> Any:
    order = {
        "market": "KRW-XRP",
        "side": "bid",
        "order_type": "limit",
        "volume": "120",
        "price": "3001",
        "time_in_force": "ioc",
        **changes,
    }
    return speaker.bithumb(
        "POST", "/v2/orders", **{k: v for k, v in order.items() if v is not None}
    )


def read(speaker: Speaker, **key: str) -> Any:
    speaker.wait(0.2)
    return speaker.bithumb("GET", "/v1/order", **key).body


def error_of(reply: Any) -> tuple[int, str]:
    return reply.status, reply.body["error"]["name"]


def test_the_reply_to_an_order_says_that_it_was_taken_and_nothing_else(pinned: Speaker) -> None:
    taken = place(pinned, client_order_id="k-1")
    assert taken.status == 201
    assert set(taken.body) == {
        "order_id", "market", "side", "order_type", "created_at", "time_in_force",
        "client_order_id", "stp_type",
    }  # fmt: skip
    assert taken.body["order_id"].startswith("C0101")


def test_an_order_that_was_taken_cannot_be_asked_about_at_once(pinned: Speaker) -> None:
    order_id = place(pinned, client_order_id="k-1").body["order_id"]
    for key in ({"client_order_id": "k-1"}, {"uuid": order_id}):
        assert error_of(pinned.bithumb("GET", "/v1/order", **key)) == (422, "order_not_ready")
    early = pinned.bithumb("DELETE", "/v2/order", client_order_id="k-1")
    assert error_of(early) == (422, "order_not_ready")
    seen = read(pinned, client_order_id="k-1")
    assert (seen["uuid"], seen["state"], seen["executed_volume"]) == (order_id, "done", "120")
    assert [(t["price"], t["volume"]) for t in seen["trades"]] == [("3000", "100"), ("3001", "20")]
    assert seen["executed_funds"] == str(3000 * 100 + 3001 * 20)


def test_how_long_an_order_is_not_ready_is_a_setting(pinned: Speaker) -> None:
    pinned.simulator.world.settings.not_ready_wall_ms = 5000
    place(pinned, client_order_id="k-1")
    pinned.wait(4)
    reply = pinned.bithumb("GET", "/v1/order", client_order_id="k-1")
    assert error_of(reply) == (422, "order_not_ready")
    pinned.wait(2)
    assert read(pinned, client_order_id="k-1")["state"] == "done"


def test_of_two_ids_the_venues_own_wins_even_one_that_is_nonsense(pinned: Speaker) -> None:
    place(pinned, client_order_id="k-1")
    pinned.wait(1)
    both = pinned.bithumb("GET", "/v1/order", uuid="None", client_order_id="k-1")
    assert error_of(both) == (404, "order_not_found")


def test_a_bid_pays_its_fee_on_top_in_krw_at_the_rate_orders_chance_names(pinned: Speaker) -> None:
    rate = Decimal(pinned.bithumb("GET", "/v1/orders/chance", market="KRW-XRP").body["bid_fee"])
    before, _ = pinned.held("bithumb", "KRW")
    place(pinned, client_order_id="k-1")
    notional = Decimal(3000 * 100 + 3001 * 20)
    after, locked = pinned.held("bithumb", "KRW")
    assert before - after == notional * (1 + rate)
    assert locked == 0
    assert Decimal(read(pinned, client_order_id="k-1")["paid_fee"]) == notional * rate
    assert rate != Decimal(
        pinned.upbit("GET", "/v1/orders/chance", market="KRW-XRP").body["bid_fee"]
    )


def test_an_ioc_ends_done_if_anything_executed_else_cancelled(pinned: Speaker) -> None:
    place(pinned, volume="200", client_order_id="k-1")
    part = read(pinned, client_order_id="k-1")
    assert (part["state"], part["executed_volume"], part["remaining_volume"]) == (
        "done",
        "150",
        "50",
    )
    place(pinned, price="2000", client_order_id="k-2")
    none = read(pinned, client_order_id="k-2")
    assert (none["state"], none["executed_volume"]) == ("cancel", "0")


def test_a_client_id_is_taken_once(pinned: Speaker) -> None:
    assert place(pinned, client_order_id="k-1").status == 201
    again = place(pinned, client_order_id="k-1")
    assert error_of(again) == (400, "duplicate_client_order_id")
    assert pinned.control("GET", "/control/orders").body[0]["acceptances"] == 1


def test_a_known_client_id_may_instead_give_the_order_that_has_it(pinned: Speaker) -> None:
    pinned.simulator.world.settings.returns_known_orders = True
    first, again = (place(pinned, client_order_id="k-1") for _ in range(2))
    assert (again.status, again.body["order_id"]) == (201, first.body["order_id"])
    assert len(pinned.rows("order_accepted")) == 1


def test_a_refused_order_leaves_its_client_id_free(pinned: Speaker) -> None:
    poor = place(pinned, volume="1000000", client_order_id="k-1")
    assert error_of(poor) == (400, "insufficient_funds_bid")
    assert place(pinned, client_order_id="k-1").status == 201


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"price": "3000.5"}, "invalid_price_bid"),
        ({"volume": "1"}, "under_price_limit_bid"),
        ({"volume": "0.123456789"}, "invalid_parameter"),
        ({"client_order_id": "with space"}, "invalid_parameter"),
        ({"client_order_id": "k" * 37}, "invalid_parameter"),
        ({"order_type": "stop"}, "invalid_parameter"),
        ({"market": "KRW-NONE"}, "invalid_parameter"),
        ({"side": "ask", "volume": "1000"}, "insufficient_funds_ask"),
    ],
)
def test_a_bad_order_is_refused_by_its_name(
    pinned: Speaker, changes: dict[str, str], name: str
) -> None:
    assert error_of(place(pinned, **changes)) == (400, name)
    assert pinned.rows("order_accepted") == []


def test_an_order_that_would_meet_our_own_is_refused(pinned: Speaker) -> None:
    place(pinned, price="2995", time_in_force=None, client_order_id="rest")
    own = place(pinned, side="ask", price="2995", volume="10", client_order_id="k-1")
    assert error_of(own) == (400, "cross_trading")
    assert place(pinned, side="ask", price="2996", volume="10", time_in_force=None).status == 201


def test_a_price_step_follows_bithumbs_own_table(pinned: Speaker) -> None:
    chance = pinned.bithumb("GET", "/v1/orders/chance", market="KRW-XRP").body
    assert chance["market"]["bid"]["price_unit"] == "1"
    btc = pinned.bithumb("GET", "/v1/orders/chance", market="KRW-BTC").body
    assert btc["market"]["ask"] == {"currency": "BTC", "min_total": "5000", "price_unit": "1000"}


def test_a_resting_order_is_cancelled_by_either_id(pinned: Speaker) -> None:
    for number, key in enumerate(("order_id", "client_order_id")):
        resting = {"price": "2900", "time_in_force": None, "client_order_id": f"k-{number}"}
        body = place(pinned, **resting).body
        pinned.wait(1)
        done = pinned.bithumb("DELETE", "/v2/order", **{key: body[key]})
        assert (done.status, done.body["order_id"]) == (200, body["order_id"])
        assert read(pinned, uuid=body["order_id"])["state"] == "cancel"
        late = pinned.bithumb("DELETE", "/v2/order", **{key: body[key]})
        assert error_of(late) == (404, "order_not_found")
    assert pinned.held("bithumb", "KRW")[1] == 0


def test_a_batch_takes_each_order_by_itself(pinned: Speaker) -> None:
    common = {"market": "KRW-XRP", "side": "bid", "order_type": "limit", "volume": "10"}
    good, bad = {**common, "price": "3000"}, {**common, "price": "3000.5"}
    rows = [{**good, "client_order_id": "b-1"}, {**bad, "client_order_id": "b-2"}]
    items = [json.dumps(row, separators=(",", ":")) for row in rows]
    reply = pinned._korean(
        "bithumb",
        "POST",
        "/v2/orders/batch",
        "&".join(f"batch_orders[]={item}" for item in items),
        {"batch_orders": rows},
        algorithm="HS256",
        timestamp=pinned.wall_ms,
    )
    taken, refused = said(reply).body["batch_orders_response"]
    assert taken["client_order_id"] == "b-1"
    assert (refused["client_order_id"], refused["name"]) == ("b-2", "invalid_price_bid")
    assert len(pinned.rows("order_accepted")) == 1


def test_a_batch_of_cancels_says_which_failed(pinned: Speaker) -> None:
    place(pinned, price="2900", time_in_force=None, client_order_id="k-1")
    pinned.wait(1)
    texts = "client_order_ids[]=k-1&client_order_ids[]=none"
    reply = pinned._korean(
        "bithumb", "POST", "/v2/orders/cancel", texts, {"client_order_ids": ["k-1", "none"]},
        algorithm="HS256", timestamp=pinned.wall_ms,
    )  # fmt: skip
    body = said(reply).body
    assert [row["client_order_id"] for row in body["success"]] == ["k-1"]
    assert [row["error"]["name"] for row in body["fail"]] == ["order_not_found"]


def test_pending_and_history_come_in_pages_with_a_key(pinned: Speaker) -> None:
    for number in range(5):
        place(pinned, price="2900", time_in_force=None, client_order_id=f"open-{number}")
        place(pinned, volume="2", client_order_id=f"closed-{number}")
        pinned.wait(1)
    for path, prefix in (("/v2/orders/pending", "open"), ("/v2/orders/history", "closed")):
        first = pinned.bithumb("GET", path, market="KRW-XRP", limit="3").body
        rest = pinned.bithumb(
            "GET", path, market="KRW-XRP", limit="3", next_key=first["next_key"]
        ).body
        assert (first["has_next"], rest["has_next"], rest["next_key"]) == (True, False, None)
        ids = [row["client_order_id"] for row in (*first["data"], *rest["data"])]
        assert ids == [f"{prefix}-{number}" for number in (4, 3, 2, 1, 0)]
        assert {"order_id", "order_type"} <= set(first["data"][0])
    listed = pinned.bithumb("GET", "/v1/orders", market="KRW-XRP", state="wait").body
    assert {row["uuid"][:5] for row in listed} == {"C0101"}


def test_history_reaches_back_seven_days_at_most(pinned: Speaker) -> None:
    week = {"start_time": str(BEGIN_MS - 7 * 86_400_000 - 1), "end_time": str(BEGIN_MS)}
    refused = pinned.bithumb("GET", "/v2/orders/history", **week)
    assert error_of(refused) == (400, "invalid_parameter")
    week["start_time"] = str(BEGIN_MS - 7 * 86_400_000)
    assert pinned.bithumb("GET", "/v2/orders/history", **week).body["data"] == []


def test_public_data_needs_no_key_and_names_warnings(speaker: Speaker) -> None:
    listed = speaker.public("bithumb", "/v1/market/all", "isDetails=true").body
    assert {row["market_warning"] for row in listed} == {"NONE"}
    book = speaker.public("bithumb", "/v1/orderbook", "markets=KRW-XRP").body[0]
    assert isinstance(book["orderbook_units"][0]["ask_price"], Decimal | int)
    assert speaker.public("bithumb", "/v1/ticker", "markets=KRW-XRP").body[0]["trade_price"] > 0
    missing = speaker.public("bithumb", "/v1/orderbook/instruments", "markets=KRW-XRP")
    assert missing.status == 404
