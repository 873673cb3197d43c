"""Binance's market streams: names, requests, ids that continue, pings and a day's life."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.values import Reply
from tests.exchanges.simulator.speaking import Speaker
from tests.exchanges.simulator.streaming import Client, binance_streams, connect, knock

DIFF = "xrpusdt@depth@100ms"
BUY = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "40"}
Side = dict[str, str]


def snapshot(speaker: Speaker) -> Any:
    return speaker.public("binance", "/api/v3/depth", "symbol=XRPUSDT&limit=1000").body


def apply(side: Side, changes: list[list[str]]) -> None:
    for price, quantity in changes:
        if Decimal(quantity):
            side[price] = quantity
        else:
            side.pop(price, None)


def rebuild(book: Any, events: list[Any]) -> tuple[int, Side, Side]:
    """Keep a local book as the venue's documentation says; a gap is an error."""
    last, bids, asks = book["lastUpdateId"], dict(book["bids"]), dict(book["asks"])
    is_first = True
    for event in events:
        if event["u"] <= last:
            continue
        assert event["U"] <= last + 1 <= event["u"] if is_first else event["U"] == last + 1
        is_first, last = False, event["u"]
        apply(bids, event["b"])
        apply(asks, event["a"])
    return last, bids, asks


def test_a_local_book_kept_from_differences_is_the_books_of_rest(speaker: Speaker) -> None:
    client = connect(speaker, "binance", f"/ws/{DIFF}")
    speaker.wait(0.3)
    book, events = None, []
    for number in range(40):
        if number % 3 == 0:
            speaker.binance("POST", "/api/v3/order", **BUY)
        if number == 5:
            book = snapshot(speaker)
        speaker.wait(0.13)
        events += client.heard()
    last, bids, asks = rebuild(book, events)
    rest = snapshot(speaker)
    assert (last, bids, asks) == (
        rest["lastUpdateId"], dict(rest["bids"]), dict(rest["asks"])
    )  # fmt: skip
    assert len(events) > 15


def test_ids_continue_from_one_difference_to_the_next(speaker: Speaker) -> None:
    client = connect(speaker, "binance", f"/ws/{DIFF}")
    events = []
    for _ in range(20):
        speaker.wait(0.1)
        speaker.binance("POST", "/api/v3/order", **BUY)
        events += client.heard()
    assert len(events) > 10
    assert all(after["U"] == before["u"] + 1 for before, after in pairwise(events))


def test_two_who_came_at_different_times_hear_the_same_bytes(speaker: Speaker) -> None:
    one = connect(speaker, "binance", f"/ws/{DIFF}")
    speaker.wait(0.3)
    one.frames()
    two = connect(speaker, "binance", f"/ws/{DIFF}")
    speaker.wait(0.3)
    first, second = one.frames(), two.frames()
    assert first[0] is second[0]
    assert len(first) == 1


@pytest.mark.parametrize("levels", [5, 10, 20])
def test_a_partial_book_is_the_top_of_that_of_rest(speaker: Speaker, levels: int) -> None:
    client = connect(speaker, "binance", f"/ws/xrpusdt@depth{levels}@100ms")
    speaker.wait(0.3)
    rest = snapshot(speaker)
    assert client.one() == {
        "lastUpdateId": rest["lastUpdateId"],
        "bids": rest["bids"][:levels],
        "asks": rest["asks"][:levels],
    }


def test_a_book_ticker_is_the_best_of_rest_and_silent_while_that_stays(speaker: Speaker) -> None:
    speaker.pin("binance", "XRPUSDT", [["2.4", "100"]], [["2.5", "100"], ["2.6", "50"]])
    client = connect(speaker, "binance", "/ws/xrpusdt@bookTicker")
    speaker.wait(0.3)
    assert client.heard() == []
    speaker.binance("POST", "/api/v3/order", **BUY)
    speaker.wait(0.1)
    event = client.one()
    rest = speaker.public("binance", "/api/v3/ticker/bookTicker", "symbol=XRPUSDT").body
    assert event == {
        "u": snapshot(speaker)["lastUpdateId"],
        "s": "XRPUSDT",
        "b": rest["bidPrice"],
        "B": rest["bidQty"],
        "a": rest["askPrice"],
        "A": rest["askQty"],
    }
    assert event["A"] == "60.00000000"


@pytest.mark.parametrize(("name", "event"), [("ticker", "24hrTicker"), ("miniTicker", "24hrMiniTicker")])  # fmt: skip
def test_a_ticker_comes_each_second_with_the_last_price(
    speaker: Speaker, name: str, event: str
) -> None:
    client = connect(speaker, "binance", f"/ws/xrpusdt@{name}")
    for _ in range(21):
        speaker.wait(0.1)
    heard = client.heard()
    price = speaker.public("binance", "/api/v3/ticker/price", "symbol=XRPUSDT").body["price"]
    assert [message["e"] for message in heard] == [event, event]
    assert (heard[-1]["s"], heard[-1]["c"]) == ("XRPUSDT", price)


def test_trades_are_told_with_the_takers_side(speaker: Speaker) -> None:
    client = connect(speaker, "binance", "/ws/xrpusdt@trade")
    speaker.binance("POST", "/api/v3/order", **{**BUY, "side": "BUY"})
    speaker.wait(0.1)
    trade = client.one()
    assert trade["e"] == "trade"
    assert (trade["q"], trade["m"]) == ("40.00000000", False)


def test_the_slow_stream_comes_at_most_each_second(speaker: Speaker) -> None:
    client = connect(speaker, "binance", "/ws/xrpusdt@depth")
    for _ in range(30):
        speaker.wait(0.1)
    events = client.heard()
    assert len(events) == 3
    assert events[1]["U"] == events[0]["u"] + 1


def test_combined_streams_are_wrapped_and_raw_ones_are_not(speaker: Speaker) -> None:
    combined = binance_streams(speaker, DIFF, "btcusdt@bookTicker")
    raw = connect(speaker, "binance", f"/ws/{DIFF}/btcusdt@bookTicker")
    speaker.wait(0.3)
    wrapped, bare = combined.heard(), raw.heard()
    assert [message["stream"] for message in wrapped] == [DIFF, "btcusdt@bookTicker"]
    assert [message["data"] for message in wrapped] == bare


def subscriber(speaker: Speaker, path: str = "/ws/0") -> Client:
    return connect(speaker, "binance", path)


def ask(client: Client, method: str, params: list[Any] | None = None, number: Any = 1) -> Any:
    client.say({"method": method, "id": number} | ({} if params is None else {"params": params}))
    return client.one()


@pytest.mark.parametrize("path", ["/ws", "/ws/0", "/ws/7", "/stream"])
def test_streams_are_joined_and_left_by_request(speaker: Speaker, path: str) -> None:
    client = subscriber(speaker, path)
    assert ask(client, "SUBSCRIBE", [DIFF, "btcusdt@bookTicker"]) == {"result": None, "id": 1}
    listed = ask(client, "LIST_SUBSCRIPTIONS", number="l")
    assert listed["id"] == "l"
    assert listed["result"][-2:] == [DIFF, "btcusdt@bookTicker"]
    speaker.wait(0.3)
    assert len(client.heard()) == 2
    assert ask(client, "UNSUBSCRIBE", [DIFF], 3) == {"result": None, "id": 3}
    speaker.wait(0.3)
    assert len(client.heard()) == 1


def test_the_wrapping_is_a_property(speaker: Speaker) -> None:
    client = subscriber(speaker)
    ask(client, "SUBSCRIBE", [DIFF])
    assert ask(client, "GET_PROPERTY", ["combined"])["result"] is False
    assert ask(client, "SET_PROPERTY", ["combined", True], 2) == {"result": None, "id": 2}
    speaker.wait(0.3)
    assert client.one()["stream"] == DIFF


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 3),
        ("[]", 2),
        ({"id": 1}, 2),
        ({"method": "JOIN", "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": ["xrpusdt@nothing"], "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": [1], "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": DIFF, "id": 1}, 2),
        ({"method": "SUBSCRIBE", "params": [DIFF], "id": 1.5}, 2),
        ({"method": "SUBSCRIBE", "params": [DIFF], "id": "x" * 37}, 2),
        ({"method": "LIST_SUBSCRIPTIONS", "params": [1], "id": 1}, 2),
        ({"method": "SET_PROPERTY", "params": ["combined", 1], "id": 1}, 1),
        ({"method": "GET_PROPERTY", "params": ["colour"], "id": 1}, 0),
    ],
)
def test_a_wrong_request_is_answered_with_its_code(
    speaker: Speaker, message: Any, code: int
) -> None:
    client = subscriber(speaker)
    client.say(message)
    assert client.one()["error"]["code"] == code
    assert client.session.wishes() == ["0"]


def test_a_name_in_capitals_or_of_no_market_gives_silence(speaker: Speaker) -> None:
    client = subscriber(speaker)
    names = ["XRPUSDT@depth@100ms", "nopeusdt@bookTicker"]
    assert ask(client, "SUBSCRIBE", names)["result"] is None
    speaker.wait(0.3)
    assert client.heard() == []


def test_a_connection_takes_1024_streams_and_no_more(speaker: Speaker) -> None:
    client = subscriber(speaker, "/ws")
    names = [f"s{number}@bookTicker" for number in range(1024)]
    assert ask(client, "SUBSCRIBE", names)["result"] is None
    assert "error" in ask(client, "SUBSCRIBE", [DIFF])
    assert ask(client, "SUBSCRIBE", names[:1])["result"] is None


def test_the_server_pings_every_twenty_seconds_and_ends_the_silent_after_a_minute(
    speaker: Speaker,
) -> None:
    client = subscriber(speaker)
    for _ in range(799):
        speaker.wait(0.1)
    pings = client.frames()
    assert [frame.kind for frame in pings] == [frames.PING] * 3
    assert client.session.is_open
    speaker.wait(0.1)
    assert client.ends() == [(frames.CLOSE, 1008)]


def test_only_a_pong_with_the_pings_payload_keeps_a_connection(speaker: Speaker) -> None:
    good, bad = subscriber(speaker), subscriber(speaker)
    for _ in range(1000):
        speaker.wait(0.1)
        for frame in good.frames():
            good.send(frames.PONG, frame.data)
        for _ in [frame for frame in bad.frames() if frame.kind == frames.PING]:
            bad.send(frames.PONG, b"")
    assert good.session.is_open
    assert not bad.session.is_open


def test_a_connection_lives_for_a_day(speaker: Speaker) -> None:
    client = subscriber(speaker)
    for _ in range(86_400 // 20 - 1):
        speaker.wait(20)
        client.send(frames.PONG, client.frames()[-1].data)
    assert client.session.is_open
    speaker.wait(20)
    assert client.ends() == [(frames.CLOSE, 1001)]


@pytest.mark.parametrize("path", ["/", "/wss", "/streams", "/ws-api", "/ws-api/v2"])
def test_other_paths_are_not_found(speaker: Speaker, path: str) -> None:
    reply = knock(speaker, "binance", path)
    assert isinstance(reply, Reply)
    assert reply.status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("path", ["/api/v3/userDataStream", "/api/v1/userDataStream"])
def test_the_removed_listen_keys_are_gone(speaker: Speaker, method: str, path: str) -> None:
    reply = speaker.binance(method, path)
    assert reply.status == 410
    assert reply.body["code"] < 0
