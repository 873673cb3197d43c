"""Upbit's public WebSocket: what it takes, what it shows, when it ends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from exchanges.simulator.core.streams import frames
from tests.exchanges.payloads import recorded
from tests.exchanges.simulator.speaking import Speaker
from tests.exchanges.simulator.streaming import PUBLIC, connect, upbit_public

RECORDED = recorded("upbit_public_ws")["ws"]
NAMES = {"orderbook": "OrderBook", "ticker": "Tickers", "trade": "Trades"}
BOOK = {"type": "orderbook", "codes": ["KRW-XRP"]}
TICKER = {"type": "ticker", "codes": ["KRW-XRP"]}
TRADE = {"type": "trade", "codes": ["KRW-XRP"]}


@pytest.mark.parametrize("wish", [BOOK, TICKER, TRADE], ids=lambda wish: str(wish["type"]))
def test_a_frame_has_the_fields_of_the_recorded_one(speaker: Speaker, wish: Any) -> None:
    frame, known = upbit_public(speaker, wish).one(), RECORDED[NAMES[wish["type"]]]["frame"]
    assert frame.keys() >= known.keys()
    for name, value in known.items():
        number = int | float | Decimal
        assert isinstance(frame[name], number if isinstance(value, number) else type(value)), name
    assert (frame["code"], frame["stream_type"]) == ("KRW-XRP", "SNAPSHOT")


def test_the_snapshot_comes_at_once_and_then_each_tick(speaker: Speaker) -> None:
    client = upbit_public(speaker, BOOK)
    assert client.one()["stream_type"] == "SNAPSHOT"
    speaker.wait(0.05)
    assert client.heard() == []
    speaker.wait(0.25)
    assert client.one()["stream_type"] == "REALTIME"


@pytest.mark.parametrize(
    ("flags", "types"),
    [
        ({"is_only_snapshot": True}, ["SNAPSHOT"]),
        ({"is_only_realtime": True}, ["REALTIME"]),
        ({"is_only_realtime": False}, ["SNAPSHOT", "REALTIME"]),
    ],
)
def test_a_client_may_want_one_of_the_two_only(
    speaker: Speaker, flags: Any, types: list[str]
) -> None:
    client = upbit_public(speaker, {**BOOK, **flags})
    heard = client.heard()
    speaker.wait(0.3)
    assert [frame["stream_type"] for frame in heard + client.heard()] == types


@pytest.mark.parametrize("level", ["0", "10", "100"])
def test_the_book_is_what_rest_says_at_that_instant(speaker: Speaker, level: str) -> None:
    wish = {"type": "orderbook", "codes": ["KRW-XRP.5"], "level": int(level)}
    client = upbit_public(speaker, wish)
    for _ in range(3):
        frame = client.one()
        (rest,) = speaker.public(
            "upbit", "/v1/orderbook", f"markets=KRW-XRP&count=5&level={level}"
        ).body
        assert frame["orderbook_units"] == rest["orderbook_units"]
        assert (frame["total_ask_size"], frame["total_bid_size"], frame["timestamp"]) == (
            rest["total_ask_size"], rest["total_bid_size"], rest["timestamp"],
        )  # fmt: skip
        assert 0 < len(frame["orderbook_units"]) <= 5
        speaker.wait(0.3)


def test_what_an_order_takes_is_gone_from_the_next_frame(speaker: Speaker) -> None:
    speaker.pin("upbit", "KRW-XRP", [["2990", "100"]], [["3000", "100"]])
    client = upbit_public(speaker, BOOK)
    assert client.one()["orderbook_units"][0]["ask_size"] == 100
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit", "price": "3000"}
    assert speaker.upbit("POST", "/v1/orders", **order, volume="40").status == 201
    speaker.wait(0.1)
    assert client.one()["orderbook_units"][0]["ask_size"] == 60


@pytest.mark.parametrize(
    ("code", "units"),
    [("KRW-BTC", 30), ("KRW-BTC.1", 1), ("KRW-BTC.5", 5), ("KRW-BTC.15", 15), ("KRW-BTC.30", 30),
     ("KRW-BTC.7", 30)],
)  # fmt: skip
def test_a_code_says_how_many_units(speaker: Speaker, code: str, units: int) -> None:
    frame = upbit_public(speaker, {"type": "orderbook", "codes": [code]}).one()
    assert len(frame["orderbook_units"]) == units
    assert frame["code"] == "KRW-BTC"


def test_a_level_gathers_prices_and_loses_no_size(speaker: Speaker) -> None:
    fine = upbit_public(speaker, BOOK).one()
    coarse = upbit_public(speaker, {**BOOK, "level": 100}).one()
    assert coarse["level"] == 100
    assert all(unit["ask_price"] % 100 == 0 for unit in coarse["orderbook_units"])
    assert coarse["orderbook_units"][0]["ask_price"] >= fine["orderbook_units"][0]["ask_price"]
    assert coarse["orderbook_units"][0]["bid_price"] <= fine["orderbook_units"][0]["bid_price"]
    assert coarse["total_ask_size"] == fine["total_ask_size"]


def test_a_level_that_is_not_offered_gives_no_data(speaker: Speaker) -> None:
    client = upbit_public(speaker, {**BOOK, "level": 3})
    speaker.wait(0.3)
    assert client.heard() == []
    offered = speaker.public("upbit", "/v1/orderbook/instruments", "markets=KRW-XRP").body
    assert offered[0]["supported_levels"] == ["0", "10", "100", "1000"]
    assert speaker.public("upbit", "/v1/orderbook", "markets=KRW-XRP&level=3").body == []


@pytest.mark.parametrize(
    ("form", "is_list", "name"),
    [(None, False, "type"), ("DEFAULT", False, "type"), ("SIMPLE", False, "ty"),
     ("JSON_LIST", True, "type"), ("SIMPLE_LIST", True, "ty")],
)  # fmt: skip
def test_the_format_is_the_one_asked_for(
    speaker: Speaker, form: str | None, is_list: bool, name: str
) -> None:
    client = upbit_public(speaker, BOOK, form=form)
    speaker.wait(0.3)
    for message in client.heard():
        assert isinstance(message, list) == is_list
        assert (message[0] if is_list else message)[name] == "orderbook"
    assert {frame.kind for frame in client.last} == {frames.BINARY}


def test_short_names_are_the_documented_ones(speaker: Speaker) -> None:
    book, ticker, trade = upbit_public(speaker, BOOK, TICKER, TRADE, form="SIMPLE").heard()
    assert book.keys() == {"ty", "cd", "tms", "tas", "tbs", "obu", "lv", "st"}
    assert book["obu"][0].keys() == {"ap", "bp", "as", "bs"}
    assert {"op", "tp", "pcp", "scr", "atp24h", "h52wdt", "ms", "ttms"} <= ticker.keys()
    assert {"td", "ttm", "sid", "bap", "bas", "bbp", "bbs"} <= trade.keys()


def test_a_new_request_replaces_the_subscription(speaker: Speaker) -> None:
    client = upbit_public(speaker, BOOK)
    client.say([{"ticket": "t"}, TICKER])
    speaker.wait(0.3)
    assert {message["type"] for message in client.heard()[2:]} == {"ticker"}


def test_a_request_that_is_wrong_leaves_the_subscription_as_it_was(speaker: Speaker) -> None:
    client = upbit_public(speaker, BOOK)
    client.say([{"ticket": "t"}, {"type": "ticker"}])
    speaker.wait(0.3)
    assert [message.get("type") for message in client.heard()] == ["orderbook", None, "orderbook"]


def test_list_subscriptions_says_what_runs_and_may_change_the_format(speaker: Speaker) -> None:
    once = {"type": "trade", "codes": ["KRW-BTC"], "is_only_snapshot": True}
    client = upbit_public(speaker, {**BOOK, "codes": ["KRW-XRP.15"]}, TICKER, once)
    client.heard()
    client.say([{"method": "LIST_SUBSCRIPTIONS"}, {"ticket": "mine"}, {"format": "SIMPLE"}])
    assert client.one() == {
        "mthd": "LIST_SUBSCRIPTIONS",
        "rslt": [
            {"ty": "orderbook", "cds": ["KRW-XRP.15"], "lv": 0},
            {"ty": "ticker", "cds": ["KRW-XRP"]},
        ],
        "tckt": "mine",
    }
    speaker.wait(0.3)
    assert [message["ty"] for message in client.heard()] == ["orderbook", "ticker"]


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("{", "WRONG_FORMAT"),
        ('{"ticket": "t"}', "WRONG_FORMAT"),
        ([1], "WRONG_FORMAT"),
        ([{"type": "ticker", "codes": ["KRW-XRP"]}], "NO_TICKET"),
        ([{"ticket": "t"}], "NO_TYPE"),
        ([{"ticket": "t"}, {"codes": ["KRW-XRP"]}], "NO_TYPE"),
        ([{"ticket": "t"}, {"type": "ticker"}], "NO_CODES"),
        ([{"ticket": "t"}, {"type": "orderbook", "codes": []}], "NO_CODES"),
        ([{"ticket": "t"}, {"type": "ticker", "codes": "KRW-XRP"}], "WRONG_FORMAT"),
        ([{"ticket": "t"}, {"type": "ticker", "codes": ["krw-xrp"]}], "INVALID_PARAM"),
        ([{"ticket": "t"}, {"type": "candle", "codes": ["KRW-XRP"]}], "INVALID_PARAM"),
        ([{"ticket": "t"}, {"type": "myOrder"}], "INVALID_PARAM"),
        ([{"ticket": "t"}, TICKER, {"format": "XML"}], "INVALID_PARAM"),
        ([{"ticket": "t"}, {**BOOK, "level": "x"}], "INVALID_PARAM"),
        ([{"ticket": "t"}, {**BOOK, "is_only_snapshot": 1}], "WRONG_FORMAT"),
        ([{"ticket": "t"}, {"method": "HELLO"}], "INVALID_PARAM"),
    ],
)
def test_a_wrong_request_is_answered_by_its_name(speaker: Speaker, message: Any, name: str) -> None:
    client = connect(speaker, "upbit", PUBLIC)
    client.say(message)
    assert client.one()["error"]["name"] == name
    assert client.session.is_open


def test_ping_is_answered_every_ten_seconds_from_then_on(speaker: Speaker) -> None:
    client = connect(speaker, "upbit", PUBLIC)
    client.say("PING")
    assert client.one() == {"status": "UP"}
    for _ in range(300):
        speaker.wait(0.1)
    assert client.heard() == [{"status": "UP"}] * 3


def test_an_ordinary_ping_is_answered_with_its_payload(speaker: Speaker) -> None:
    client = connect(speaker, "upbit", PUBLIC)
    client.send(frames.PING, b"here")
    assert [(frame.kind, frame.data) for frame in client.frames()] == [(frames.PONG, b"here")]


def test_a_connection_that_is_idle_for_two_minutes_is_closed(speaker: Speaker) -> None:
    client = connect(speaker, "upbit", PUBLIC)
    speaker.wait(119.9)
    assert client.ends() == []
    speaker.wait(0.1)
    assert client.ends() == [(frames.CLOSE, 1001)]


@pytest.mark.parametrize("kind", [frames.PING, frames.PONG, frames.TEXT])
def test_whatever_is_said_keeps_a_connection_from_being_idle(speaker: Speaker, kind: str) -> None:
    client = connect(speaker, "upbit", PUBLIC)
    speaker.wait(100)
    client.send(kind, b"[]")
    speaker.wait(100)
    assert client.session.is_open


def test_frames_keep_a_connection_from_being_idle(speaker: Speaker) -> None:
    client = upbit_public(speaker, BOOK)
    for _ in range(13):
        speaker.wait(10)
    assert client.session.is_open


def test_trades_are_those_of_the_ticks_and_those_of_the_account(speaker: Speaker) -> None:
    client = upbit_public(speaker, TRADE)
    first = client.one()
    ticker = speaker.public("upbit", "/v1/ticker", "markets=KRW-XRP").body[0]
    assert first["trade_price"] == ticker["trade_price"]
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "10000"}
    assert speaker.upbit("POST", "/v1/orders", **order).status == 201
    speaker.wait(0.1)
    mine = client.one()
    fill = speaker.rows("fill")[0]
    assert (str(mine["trade_price"]), str(mine["trade_volume"])) == (
        fill["price"], fill["quantity"],
    )  # fmt: skip
    assert mine["ask_bid"] == "BID"
    assert mine["sequential_id"] > first["sequential_id"]
