"""Upbit's acceptance, matching, fees and states."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.exchanges.simulator.speaking import Speaker

ASKS = [["3000", "100"], ["3001", "50"], ["3010", "1000"]]
BIDS = [["2999", "100"], ["2990", "1000"]]


@pytest.fixture
def pinned(speaker: Speaker) -> Speaker:
    speaker.pin("upbit", "KRW-XRP", BIDS, ASKS)
    speaker.credit("upbit", "XRP", "500")
    return speaker


def place(speaker: Speaker, **changes: Any) -> Any:
    order = {
        "market": "KRW-XRP",
        "side": "bid",
        "ord_type": "limit",
        "volume": "120",
        "price": "3001",
        "time_in_force": "ioc",
        **changes,
    }
    return speaker.upbit("POST", "/v1/orders", **{k: v for k, v in order.items() if v is not None})


def read(speaker: Speaker, **key: str) -> Any:
    return speaker.upbit("GET", "/v1/order", **key).body


def test_the_reply_to_an_order_shows_no_fills_and_a_read_shows_them(pinned: Speaker) -> None:
    created = place(pinned, identifier="k1")
    assert created.status == 201
    assert (created.body["state"], created.body["executed_volume"]) == ("wait", "0")
    seen = read(pinned, identifier="k1")
    assert (seen["state"], seen["executed_volume"], seen["trades_count"]) == ("done", "120", 2)
    assert [(t["price"], t["volume"]) for t in seen["trades"]] == [("3000", "100"), ("3001", "20")]


def test_a_bid_pays_its_fee_on_top_in_krw(pinned: Speaker) -> None:
    before, _ = pinned.held("upbit", "KRW")
    place(pinned, identifier="k1")
    notional = Decimal(3000 * 100 + 3001 * 20)
    after, locked = pinned.held("upbit", "KRW")
    assert before - after == notional + notional * Decimal("0.0005")
    assert locked == 0
    assert pinned.held("upbit", "XRP") == (Decimal(620), Decimal(0))


def test_an_ask_pays_its_fee_out_of_the_proceeds(pinned: Speaker) -> None:
    before, _ = pinned.held("upbit", "KRW")
    place(pinned, side="ask", price="2999", volume="100")
    after, _ = pinned.held("upbit", "KRW")
    assert after - before == Decimal(299900) - Decimal("149.95")


def test_a_fee_floors_to_eight_decimals(pinned: Speaker) -> None:
    place(pinned, volume="1.66666667", price="3000", identifier="k1")
    # 1.66666667 x 3000 x 0.0005 = 2.500000005
    assert read(pinned, identifier="k1")["paid_fee"] == "2.5"


def test_an_ioc_that_leaves_a_remainder_ends_in_cancel_with_fills(pinned: Speaker) -> None:
    place(pinned, volume="200", identifier="k1")
    seen = read(pinned, identifier="k1")
    assert (seen["state"], seen["executed_volume"], seen["remaining_volume"]) == (
        "cancel",
        "150",
        "50",
    )
    assert pinned.held("upbit", "KRW")[1] == 0


def test_a_fill_or_kill_that_cannot_fill_takes_nothing(pinned: Speaker) -> None:
    place(pinned, volume="151", time_in_force="fok", identifier="k1")
    assert read(pinned, identifier="k1")["executed_volume"] == "0"


def test_a_market_buy_spends_its_notional_and_ends_in_cancel_when_some_is_left(
    pinned: Speaker,
) -> None:
    place(pinned, ord_type="price", price="100001", volume=None, time_in_force=None, identifier="m")
    seen = read(pinned, identifier="m")
    assert (seen["state"], seen["executed_volume"]) == ("cancel", "33.33366666")
    assert seen["volume"] is None


def test_a_market_buy_that_spends_exactly_its_notional_is_done(pinned: Speaker) -> None:
    place(pinned, ord_type="price", price="90000", volume=None, time_in_force=None, identifier="m")
    assert read(pinned, identifier="m")["state"] == "done"


def test_a_crossing_post_only_order_is_cancelled_at_once(pinned: Speaker) -> None:
    place(pinned, time_in_force="post_only", identifier="p")
    assert (read(pinned, identifier="p")["state"], pinned.rows("fill")) == ("cancel", [])


def test_a_resting_order_locks_its_cost_and_fee_until_it_is_cancelled(pinned: Speaker) -> None:
    place(pinned, price="2900", volume="100", time_in_force=None, identifier="r")
    assert pinned.held("upbit", "KRW")[1] == Decimal(290000) + Decimal(145)
    cancelled = pinned.upbit("DELETE", "/v1/order", identifier="r")
    assert (cancelled.status, cancelled.body["state"]) == (200, "wait")
    assert read(pinned, identifier="r")["state"] == "cancel"
    assert pinned.held("upbit", "KRW")[1] == 0


def test_a_resting_order_fills_when_the_price_comes_to_it(pinned: Speaker) -> None:
    place(pinned, price="2900", volume="100", time_in_force=None, identifier="r")
    pinned.pin("upbit", "KRW-XRP", [["2890", "5"]], [["2899", "60"], ["2905", "100"]])
    assert read(pinned, identifier="r")["executed_volume"] == "60"


def test_what_an_order_took_stays_taken_until_the_next_tick(speaker: Speaker) -> None:
    speaker.control("POST", "/control/clock", freeze=True)
    before = speaker.public("upbit", "/v1/orderbook", "markets=KRW-XRP").body[0]
    top = before["orderbook_units"][0]
    price, size = str(top["ask_price"]), str(top["ask_size"])
    place(speaker, price=price, volume=size, identifier="k1")
    after = speaker.public("upbit", "/v1/orderbook", "markets=KRW-XRP").body[0]
    assert after["orderbook_units"][0]["ask_price"] > top["ask_price"]


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"price": "3001.5"}, "invalid_price_bid"),
        ({"volume": "1.123456789"}, "invalid_volume_bid"),
        ({"volume": "1"}, "under_min_total_bid"),
        ({"volume": "400000"}, "over_max_total_bid"),
        ({"volume": "100000"}, "insufficient_funds_bid"),
        ({"side": "ask", "volume": "501"}, "insufficient_funds_ask"),
        ({"price": None}, "validation_error"),
        ({"ord_type": "best", "volume": None, "time_in_force": None}, "validation_error"),
        ({"ord_type": "market"}, "validation_error"),
        ({"market": "KRW-NOPE"}, "validation_error"),
    ],
)
def test_an_order_against_the_rules_is_refused_by_name(
    pinned: Speaker, changes: dict[str, Any], name: str
) -> None:
    refused = place(pinned, **changes)
    assert (refused.status, refused.body["error"]["name"]) == (400, name)
    assert pinned.rows("order_accepted") == []


def test_an_identifier_is_burned_for_ever(pinned: Speaker) -> None:
    place(pinned, identifier="k1")
    again = place(pinned, identifier="k1")
    assert (again.status, again.body["error"]["name"]) == (400, "duplicated_identifier")
    assert len(pinned.rows("order_accepted")) == 1


def test_an_order_refused_for_funds_has_burned_its_identifier(pinned: Speaker) -> None:
    place(pinned, identifier="k1", volume="100000")
    assert place(pinned, identifier="k1").body["error"]["name"] == "duplicated_identifier"


def test_an_order_refused_for_its_price_step_has_not(pinned: Speaker) -> None:
    place(pinned, identifier="k1", price="3001.5")
    assert place(pinned, identifier="k1").status == 201


def test_uuid_wins_over_identifier_even_when_it_is_nonsense(pinned: Speaker) -> None:
    place(pinned, identifier="k1")
    lost = pinned.upbit("GET", "/v1/order", uuid="None", identifier="k1")
    assert (lost.status, lost.body["error"]["name"]) == (404, "order_not_found")


def test_closed_orders_are_listed_within_seven_days_only(pinned: Speaker) -> None:
    place(pinned, identifier="k1")
    listed = pinned.upbit("GET", "/v1/orders/closed", market="KRW-XRP", state="done").body
    assert [row["identifier"] for row in listed] == ["k1"]
    wide = {"start_time": "1", "end_time": str(8 * 86_400_000)}
    assert pinned.upbit("GET", "/v1/orders/closed", **wide).status == 400


def test_open_orders_and_orders_by_identifier_are_listed(pinned: Speaker) -> None:
    place(pinned, price="2900", time_in_force=None, identifier="r")
    listed = pinned.upbit("GET", "/v1/orders/open", market="KRW-XRP").body
    assert [row["identifier"] for row in listed] == ["r"]
    found = pinned.upbit("GET", "/v1/orders/uuids", **{"identifiers[]": "r"}).body
    assert [row["identifier"] for row in found] == ["r"]


def test_a_tested_order_is_not_placed(pinned: Speaker) -> None:
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit"}
    reply = pinned.upbit("POST", "/v1/orders/test", **order, volume="10", price="3000")
    assert reply.status == 201
    assert pinned.rows("order_accepted") == []


def test_nothing_trades_while_the_venue_is_offline(pinned: Speaker) -> None:
    pinned.control("POST", "/control/maintenance", venue="upbit", on=True)
    assert place(pinned).body["error"]["name"] == "market_offline"


def test_accounts_list_only_what_was_ever_held(speaker: Speaker) -> None:
    assert [row["currency"] for row in speaker.upbit("GET", "/v1/accounts").body] == ["KRW"]


def test_an_unknown_market_has_an_integer_error_name_on_quotations(speaker: Speaker) -> None:
    reply = speaker.public("upbit", "/v1/ticker", "markets=KRW-NOPE")
    assert (reply.status, reply.body["error"]["name"]) == (404, 404)
