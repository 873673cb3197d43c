"""The rows of the fault table that are no lost reply: codes, limits, keys, rules, books, types."""

from __future__ import annotations

import gzip
import json
from decimal import Decimal
from typing import Any

import pytest

from exchanges.simulator.core.fault_table import TABLE
from exchanges.simulator.core.values import Fault, Reply
from tests.exchanges.simulator.speaking import Speaker, said
from tests.exchanges.simulator.spoiling import look_up, order, truth

BOTH = pytest.mark.parametrize("venue", ["upbit", "binance"])


def test_the_table_has_every_row_and_each_says_what_it_does_and_wants() -> None:
    assert list(TABLE) == [f"F{number}" for number in range(1, 39)]
    assert all(row.does and row.wants for row in TABLE.values())
    assert [name for name, row in TABLE.items() if not row.is_rule] == ["F12", "F38"]


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.is_rule])
def test_every_row_that_is_a_rule_can_be_set(pinned: Speaker, name: str) -> None:
    assert pinned.control("POST", "/control/faults", fault=name).body["action"]


@pytest.mark.parametrize("name", ["F12", "F38"])
def test_a_row_that_is_no_rule_says_why(pinned: Speaker, name: str) -> None:
    refused = pinned.control("POST", "/control/faults", fault=name)
    assert (refused.status, "no rule" in refused.body["error"]) == (400, True)


@pytest.mark.parametrize(
    "spec",
    [
        {"fault": "F35", "phase": "before"},
        {"fault": "F2", "phase": "stream"},
        {"fault": "F2", "phase": "sometimes"},
        {"action": "explode"},
    ],
    ids=str,
)
def test_a_rule_that_could_never_do_what_it_says_is_refused(
    pinned: Speaker, spec: dict[str, str]
) -> None:
    assert pinned.control("POST", "/control/faults", **spec).status == 400


@pytest.mark.parametrize("code", [-1000, -1001, -1006, -1007, -1008])
@pytest.mark.parametrize(("phase", "applied"), [("before", False), ("after_accept", True)])
def test_f17_says_in_json_that_something_failed_inside(
    pinned: Speaker, code: int, phase: str, applied: bool
) -> None:
    pinned.fault("F17", "binance", phase=phase, args={"code": code}, when="once")
    reply = said(order(pinned, "binance"))
    assert (reply.status, reply.body["code"]) == (400, code)
    assert truth(pinned) == [("F17", applied)]
    assert len(pinned.rows("order_accepted")) == int(applied)


@pytest.mark.parametrize(
    ("kind", "status", "waits"),
    [("429", 429, "7"), ("429_silent", 429, None), ("418", 418, "7"), ("waf", 403, None)],
)
@BOTH
def test_f18_turns_requests_away(
    pinned: Speaker, venue: str, kind: str, status: int, waits: str | None
) -> None:
    pinned.fault("F18", venue, args={"kind": kind})
    reply = order(pinned, venue)
    assert isinstance(reply, Reply)
    assert (reply.status, dict(reply.headers).get("Retry-After")) == (status, waits)
    assert (reply.content_type == "text/html") == (kind == "waf")
    assert truth(pinned) == [("F18", False)]


def test_f19_moves_the_clock_that_signatures_meet_and_the_one_that_is_told(
    pinned: Speaker,
) -> None:
    pinned.fault("F19", "binance", path_regex="/order$", when="once")
    assert said(order(pinned, "binance")).body["code"] == -1021
    pinned.fault("F19", "binance", path_regex="/time$", args={"value": -4000})
    assert pinned.public("binance", "/api/v3/time").body["serverTime"] == pinned.wall_ms - 4000
    assert isinstance(order(pinned, "binance"), Reply)
    assert truth(pinned) == [("F19", False), ("F19", True)]


def test_f19_the_time_may_be_told_late(pinned: Speaker) -> None:
    late_reply = {"phase": "reply", "action": "delay", "args": {"milliseconds": 900}}
    pinned.fault("F19", "binance", path_regex="/time$", **late_reply)
    late = pinned.simulator.handle("binance", "GET", "/api/v3/time")
    assert isinstance(late, Fault)
    assert (late.action, late.milliseconds) == ("delay", 900)
    assert json.loads(late.reply.body)["serverTime"] == pinned.wall_ms


@pytest.mark.parametrize(
    ("name", "status"),
    [("nonce_used", 401), ("invalid_query_payload", 401), ("jwt_verification", 401),
     ("expired_access_key", 401), ("no_authorization_ip", 401), ("out_of_scope", 403)],
)  # fmt: skip
def test_f20_refuses_the_key_at_upbit(pinned: Speaker, name: str, status: int) -> None:
    pinned.fault("F20", "upbit", args={"name": name})
    reply = said(order(pinned, "upbit"))
    assert (reply.status, reply.body["error"]["name"]) == (status, name)
    assert truth(pinned) == [("F20", False)]


@pytest.mark.parametrize(("code", "status"), [(-2015, 401), (-2014, 401), (-1022, 400)])
def test_f20_refuses_the_key_at_binance(pinned: Speaker, code: int, status: int) -> None:
    pinned.fault("F20", "binance", args={"code": code})
    reply = said(order(pinned, "binance"))
    assert (reply.status, reply.body["code"]) == (status, code)


@BOTH
def test_f21_makes_a_step_coarser_as_the_order_arrives_and_tells_it_from_then_on(
    pinned: Speaker, venue: str
) -> None:
    pinned.fault("F21", venue, args={"price_step": "7"}, when="once")
    refused = said(order(pinned, venue)).body
    assert refused.get("code") == -1013 or refused["error"]["name"] == "invalid_price_bid"
    assert truth(pinned) == [("F21", False)]
    if venue == "upbit":
        told = pinned.public("upbit", "/v1/orderbook/instruments", "markets=KRW-XRP").body[0]
        assert told["tick_size"] == "7"
    else:
        told = pinned.public("binance", "/api/v3/exchangeInfo", "symbol=XRPUSDT").body
        assert told["symbols"][0]["filters"][0]["tickSize"] == "7.00000000"


@BOTH
def test_f21_raises_the_minimum(pinned: Speaker, venue: str) -> None:
    pinned.fault("F21", venue, args={"min_notional": "50000"}, when="once")
    refused = said(order(pinned, venue)).body
    assert refused.get("code") == -1013 or refused["error"]["name"] == "under_min_total_bid"


@BOTH
def test_f21_without_arguments_makes_the_step_ten_times_as_coarse(
    pinned: Speaker, venue: str
) -> None:
    symbol = {"upbit": "KRW-XRP", "binance": "XRPUSDT"}[venue]
    world = pinned.simulator.world
    market = world.markets[venue, symbol]
    step = world.price_step(market, Decimal(3000))
    pinned.fault("F21", venue, when="once")
    order(pinned, venue)
    assert market.price_step == step * 10


def test_f23_halts_markets_and_lets_binances_resting_orders_expire(pinned: Speaker) -> None:
    order(pinned, "binance", "k1", price="2.4", timeInForce="GTC")
    pinned.fault("F23", "binance", method="POST", when="once")
    assert said(order(pinned, "binance", "k2")).body["msg"] == "Market is closed."
    assert look_up(pinned, "binance").body["status"] == "EXPIRED"
    info = pinned.public("binance", "/api/v3/exchangeInfo", "symbol=XRPUSDT").body
    assert info["symbols"][0]["status"] == "HALT"
    assert pinned.public("binance", "/sapi/v1/system/status").body["status"] == 1
    pinned.control("POST", "/control/maintenance", venue="binance", on=False)
    assert said(order(pinned, "binance", "k3")).body["status"] == "FILLED"


def test_f23_takes_upbits_markets_offline(pinned: Speaker) -> None:
    pinned.fault("F23", "upbit", method="POST", when="once")
    refused = said(order(pinned, "upbit"))
    assert (refused.status, refused.body["error"]["name"]) == (503, "market_offline")
    chance = said(pinned.upbit_raw("GET", "/v1/orders/chance", market="KRW-XRP")).body
    assert chance["market"]["state"] == "paused"


def test_f34_names_another_host(pinned: Speaker) -> None:
    pinned.fault("F34", "upbit", args={"location": "http://elsewhere/"})
    reply = order(pinned, "upbit")
    assert isinstance(reply, Reply)
    assert (reply.status, dict(reply.headers)["Location"]) == (302, "http://elsewhere/")
    assert truth(pinned) == [("F34", True)]


def test_f34_packs_a_bomb_of_the_size_it_is_told(pinned: Speaker) -> None:
    pinned.fault("F34", "upbit", action="bomb", args={"mebibytes": 32})
    reply = order(pinned, "upbit")
    assert isinstance(reply, Reply)
    assert dict(reply.headers)["Content-Encoding"] == "gzip"
    assert len(gzip.decompress(reply.body)) == 32 * 1024 * 1024 > 500 * len(reply.body)


def book(speaker: Speaker, venue: str) -> Any:
    """Give best bid, best ask and stamp."""
    if venue == "binance":
        told = speaker.public("binance", "/api/v3/depth", "symbol=XRPUSDT").body
        tops = [[Decimal(n) for n in told[side][0]] for side in ("bids", "asks")]
        return *tops, None
    told = speaker.public("upbit", "/v1/orderbook", "markets=KRW-XRP").body[0]
    unit = told["orderbook_units"][0]
    tops = [[unit[f"{side}_price"], unit[f"{side}_size"]] for side in ("bid", "ask")]
    return *tops, told["timestamp"]


@pytest.mark.parametrize("kind", ["crossed", "empty", "zero", "fat_finger"])
@BOTH
def test_f36_shows_a_book_that_no_market_has(pinned: Speaker, venue: str, kind: str) -> None:
    bid, ask, _ = book(pinned, venue)
    pinned.fault("F36", venue, args={"kind": kind})
    odd_bid, odd_ask, _ = book(pinned, venue)
    expected = {
        "crossed": ([ask[0], bid[1]], [bid[0], ask[1]]),
        "empty": (bid, [0, 0]),
        "zero": (bid, [ask[0], 0]),
        "fat_finger": (bid, [ask[0] * 1000, ask[1]]),
    }
    assert (odd_bid, odd_ask) == expected[kind]


@pytest.mark.parametrize("venue", ["upbit", ""])
def test_f36_stops_the_stamp_where_it_first_stood(pinned: Speaker, venue: str) -> None:
    """Of all venues too, where one whose books carry no stamp is read first."""
    pinned.fault("F36", venue, args={"kind": "frozen"})
    book(pinned, "binance")
    first = book(pinned, "upbit")[2]
    pinned.wait(30)
    assert book(pinned, "upbit")[2] == first == pinned.wall_ms - 30_000


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        ("strings", lambda row: row["trades_count"] == "0"),
        ("numbers", lambda row: row["volume"] == 10),
        ("extra", lambda row: "kimp_extra" in row),
        ("nulls", lambda row: row["remaining_volume"] is None),
        ("enum", lambda row: row["state"] == "foo"),
    ],
)
def test_f37_changes_the_types_of_fields(pinned: Speaker, kind: str, check: Any) -> None:
    pinned.fault("F37", "upbit", args={"kind": kind})
    reply = order(pinned, "upbit")
    assert isinstance(reply, Reply)
    assert check(json.loads(reply.body, parse_float=Decimal))
    assert truth(pinned) == [("F37", True)]


@BOTH
def test_f13_an_order_may_rest_although_it_is_immediate_until_it_is_cancelled(
    pinned: Speaker, venue: str
) -> None:
    changes = {"time_in_force": "ioc"} if venue == "upbit" else {}
    pinned.fault("F13", venue, action="rests", args={"value": "0.3"}, when="once")
    order(pinned, venue, **changes)
    pinned.wait(60)
    seen = look_up(pinned, venue).body
    assert seen.get("state") == "wait" or seen["status"] == "PARTIALLY_FILLED"
    assert Decimal(seen.get("executed_volume") or seen["executedQty"]) == 3


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"fault": "F19", "args": {"value": "abc"}}, "args.value is a whole number"),
        ({"fault": "F13", "args": {"value": "7"}}, "between 0 and 1"),
        ({"fault": "F3", "args": {"status": 9000}}, "args.status is at most 599"),
        ({"fault": "F9", "args": {"kind": "zip"}}, "args.kind is one of"),
        ({"fault": "F17", "args": {"code": "x"}}, "args.code is a whole number"),
        ({"fault": "F18", "args": {"seconds": "soon"}}, "args.seconds is a whole number"),
        ({"fault": "F21", "args": {"price_step": "x"}}, "args.price_step is a number"),
        ({"fault": "F27", "args": {"value": "lose"}}, "args.value is one of"),
        ({"fault": "F36", "args": {"side": "left"}}, "args.side is one of"),
        ({"fault": "F1", "venue": "kraken"}, "a venue is one of"),
        ({"fault": "F1", "when": {"prob": 7}}, "prob is between 0 and 1"),
        ({"fault": "F99", "action": "hang"}, "there is no fault"),
        ({"fault": "F1", "times": "many"}, "not a whole number"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_with_a_sentence(
    pinned: Speaker, spec: dict[str, Any], told: str
) -> None:
    refused = pinned.control("POST", "/control/faults", **spec)
    assert refused.status == 400
    assert told in refused.body["error"]
    assert "Error" not in refused.body["error"]
    assert pinned.control("GET", "/control/faults").body == []
