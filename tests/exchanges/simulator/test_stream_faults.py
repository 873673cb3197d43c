"""F35: each kind does to streams what it says, and the journal tells the truth about it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from exchanges.simulator.core.streams import frames, rules
from exchanges.simulator.core.values import Fault, Reply
from tests.exchanges.simulator.speaking import Speaker
from tests.exchanges.simulator.streaming import (
    PRIVATE,
    Client,
    bearer,
    binance_api,
    binance_streams,
    binance_user,
    connect,
    knock,
    signed,
    upbit_private,
    upbit_public,
)

DIFF = "xrpusdt@depth@100ms"
BOOK = {"type": "orderbook", "codes": ["KRW-XRP"]}
BUY = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "10"}


def upset(speaker: Speaker, action: str, venue: str = "", **spec: Any) -> None:
    speaker.fault("F35", venue, action=action, **spec)


def truth(speaker: Speaker) -> list[tuple[Any, ...]]:
    rows = speaker.rows("fault")
    return [(row["fault"], row["action"], row["path"], row["applied"]) for row in rows]


def ticks(speaker: Speaker, client: Client, number: int) -> list[Any]:
    heard = []
    for _ in range(number):
        speaker.wait(0.25)
        heard += client.heard()
    return heard


def diffs(speaker: Speaker) -> Client:
    return connect(speaker, "binance", f"/ws/{DIFF}")


def test_a_stall_leaves_the_connection_open_and_silent_until_it_is_lifted(
    speaker: Speaker,
) -> None:
    stalled, other = upbit_public(speaker, BOOK), diffs(speaker)
    stalled.heard()
    upset(speaker, "stall", "upbit")
    assert ticks(speaker, stalled, 3) == []
    assert stalled.session.is_open
    assert len(other.heard()) == 3
    stalled.send(frames.PING, b"x")
    assert [frame.kind for frame in stalled.frames()] == [frames.PONG]
    speaker.control("DELETE", "/control/faults")
    assert len(ticks(speaker, stalled, 1)) == 1
    assert truth(speaker) == [("F35", "stall", "orderbook:KRW-XRP", True)]


@pytest.mark.parametrize(("pings", "count"), [(False, 1), (True, 0)])
def test_a_stall_may_silence_pings_too(speaker: Speaker, pings: bool, count: int) -> None:
    client = diffs(speaker)
    upset(speaker, "stall", args={"pings": pings})
    for _ in range(201):
        speaker.wait(0.1)
    assert [frame.kind for frame in client.frames()] == [frames.PING] * count


def test_a_gap_breaks_the_sequence_once(speaker: Speaker) -> None:
    client = diffs(speaker)
    events = ticks(speaker, client, 2)
    upset(speaker, "gap", "binance")
    events += ticks(speaker, client, 3)
    assert len(events) == 4
    assert [after["U"] == before["u"] + 1 for before, after in pairwise(events)] == [
        True, False, True,
    ]  # fmt: skip
    assert truth(speaker) == [("F35", "gap", DIFF, True)]


def test_a_duplicate_comes_twice(speaker: Speaker) -> None:
    client = diffs(speaker)
    upset(speaker, "duplicate")
    first, second, third = ticks(speaker, client, 2)
    assert first == second
    assert third["U"] == first["u"] + 1


@pytest.mark.parametrize("when", ["once", "always"])
def test_out_of_order_means_after_the_one_that_follows(speaker: Speaker, when: str) -> None:
    client = diffs(speaker)
    upset(speaker, "reorder", when=when)
    events = ticks(speaker, client, 4)
    assert len(events) == 4
    assert events[0]["U"] == events[1]["u"] + 1
    assert (events[3]["U"] == events[2]["u"] + 1) == (when == "once")


def test_the_nth_frame_may_be_meant(speaker: Speaker) -> None:
    client = diffs(speaker)
    upset(speaker, "gap", when={"nth": 3})
    events = ticks(speaker, client, 5)
    gaps = [after["U"] == before["u"] + 1 for before, after in pairwise(events)]
    assert gaps == [True, False, True]


def test_chance_is_the_seeds(speaker: Speaker) -> None:
    client = diffs(speaker)
    upset(speaker, "gap", when={"prob": "0.5"})
    heard = len(ticks(speaker, client, 20))
    assert 4 < heard < 16
    assert len(truth(speaker)) == 20 - heard


@pytest.mark.parametrize(("how", "end"), [("close", (frames.CLOSE, 1001)), ("cut", (frames.ABORT, 0))])  # fmt: skip
def test_connections_break_each_time_they_are_so_old(
    speaker: Speaker, how: str, end: tuple[str, int]
) -> None:
    upset(speaker, "disconnect", "binance", args={"seconds": 10, "how": how})
    bystander = upbit_public(speaker, BOOK)
    for _ in range(2):
        client = diffs(speaker)
        speaker.wait(9.9)
        assert client.ends() == []
        speaker.wait(0.1)
        assert client.ends() == [end]
    assert bystander.session.is_open
    assert len(truth(speaker)) == 2


def test_the_days_end_can_be_brought_about(speaker: Speaker) -> None:
    client = diffs(speaker)
    upset(speaker, "expire", "binance")
    speaker.wait(0.1)
    assert client.ends() == [(frames.CLOSE, 1001)]
    again = diffs(speaker)
    speaker.wait(0.1)
    assert again.session.is_open


def test_a_shutdown_is_announced_and_then_happens(speaker: Speaker) -> None:
    market, user = diffs(speaker), binance_user(speaker)
    user.events()
    upset(speaker, "shutdown", "binance", when="always")
    speaker.wait(0.1)
    assert market.one() == {"e": "serverShutdown", "E": speaker.wall_ms}
    assert user.one() == {"event": {"e": "serverShutdown", "E": speaker.wall_ms}}
    for _ in range(599):
        speaker.wait(1)
        for client in (market, user):
            for frame in client.frames():
                if frame.kind == frames.PING:
                    client.send(frames.PONG, frame.data)
    assert market.session.is_open
    speaker.wait(1)
    assert market.ends() == user.ends() == [(frames.CLOSE, 1001)]


@pytest.mark.parametrize("venue", ["upbit", "binance"])
def test_an_error_frame_comes_unasked(speaker: Speaker, venue: str) -> None:
    client = upbit_public(speaker, BOOK) if venue == "upbit" else diffs(speaker)
    client.heard()
    upset(speaker, "error_frame", venue)
    speaker.wait(0.1)
    assert [set(message["error"]) for message in client.heard()] == [
        {"name", "message"} if venue == "upbit" else {"code", "msg"}
    ]
    assert client.session.is_open


def test_a_private_stream_may_be_refused_when_it_connects_again(speaker: Speaker) -> None:
    first = upbit_private(speaker, {"type": "myOrder"})
    upset(speaker, "reject_auth", "upbit")
    second = connect(speaker, "upbit", PRIVATE, authorization=bearer(speaker))
    assert second.one()["error"]["name"] == "INVALID_AUTH"
    assert not second.session.is_open
    assert first.session.is_open
    assert truth(speaker) == [("F35", "reject_auth", PRIVATE, False)]
    speaker.control("DELETE", "/control/faults")
    assert upbit_private(speaker, {"type": "myOrder"}).session.is_private


def test_it_may_be_refused_in_the_handshake(speaker: Speaker) -> None:
    upset(speaker, "reject_auth", "upbit", args={"how": "handshake"})
    refused = knock(speaker, "upbit", PRIVATE, authorization=bearer(speaker))
    assert isinstance(refused, Reply)
    assert refused.status == 401


def test_a_user_data_subscription_may_be_refused(speaker: Speaker) -> None:
    upset(speaker, "reject_auth", "binance", when="once")
    client = binance_api(speaker)
    subscribe = "userDataStream.subscribe.signature"
    refused = client.call(subscribe, **signed(speaker))
    assert (refused["status"], refused["error"]["code"]) == (401, -2015)
    assert client.call(subscribe, **signed(speaker))["status"] == 200


@pytest.mark.parametrize("venue", ["upbit", "binance"])
def test_an_event_is_there_before_the_reply_is(speaker: Speaker, venue: str) -> None:
    upset(speaker, "early_event", venue, args={"milliseconds": 300})
    if venue == "upbit":
        client: Client = upbit_private(speaker, {"type": "myOrder"})
        order = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "10000"}
        outcome = speaker.upbit_raw("POST", "/v1/orders", **order)
    else:
        client = binance_user(speaker)
        outcome = speaker.binance_raw("POST", "/api/v3/order", **BUY)
    assert isinstance(outcome, Fault)
    assert (outcome.action, outcome.milliseconds, outcome.reply.status // 100) == ("delay", 300, 2)
    assert client.heard()
    assert [row[0] for row in truth(speaker)] == ["F35"]


def test_a_lost_event_happened_all_the_same(speaker: Speaker) -> None:
    client = binance_user(speaker)
    client.events()
    upset(speaker, "lose", "binance", path_regex="executionReport", when={"nth": 2})
    speaker.binance("POST", "/api/v3/order", **BUY)
    reports = [event for event in client.events() if event["e"] == "executionReport"]
    assert [event["X"] for event in reports] == ["NEW"]
    assert truth(speaker) == [("F35", "lose", "executionReport", True)]
    assert speaker.kinds().count("fill") == 1


def test_a_rule_may_be_about_one_order(speaker: Speaker) -> None:
    client = upbit_private(speaker, {"type": "myOrder"})
    upset(speaker, "lose", "upbit", when={"client_id_regex": "^k1$"})
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "10000"}
    for identifier in ("k1", "k2"):
        speaker.upbit("POST", "/v1/orders", **order, identifier=identifier)
    assert {event["identifier"] for event in client.heard()} == {"k2"}


@pytest.mark.parametrize(
    ("fault", "answers"), [("F1", 0), ("F2", 0), ("F6", 0), ("F7", 0), ("F3", 1)]
)
def test_the_faults_of_rest_strike_the_websocket_api_too(
    speaker: Speaker, fault: str, answers: int
) -> None:
    client = binance_api(speaker)
    speaker.fault(fault, "binance", method="POST", path_regex="/order$")
    client.say({"id": 1, "method": "order.place", "params": signed(speaker, **BUY)})
    assert len([frame for frame in client.frames() if frame.kind == frames.TEXT]) == answers
    is_applied = fault not in {"F1", "F3"}
    assert ("order_accepted" in speaker.kinds()) == is_applied
    assert client.session.is_open == (fault in {"F1", "F2", "F3"})


def test_a_late_answer_of_the_websocket_api_comes_after_its_events(speaker: Speaker) -> None:
    client = binance_user(speaker)
    client.events()
    upset(speaker, "early_event", "binance", args={"milliseconds": 300})
    client.say({"id": 5, "method": "order.place", "params": signed(speaker, **BUY)})
    assert all("event" in row for row in client.heard())
    speaker.wait(0.3)
    assert client.one()["id"] == 5


def test_rules_of_streams_leave_requests_alone(speaker: Speaker) -> None:
    upset(speaker, "stall", path_regex="")
    assert speaker.public("binance", "/api/v3/ping").status == 200
    assert truth(speaker) == []


@pytest.mark.parametrize("kind", sorted(rules.KINDS))
def test_every_kind_is_switched_on_by_control_and_shown(speaker: Speaker, kind: str) -> None:
    upset(speaker, kind)
    (rule,) = speaker.control("GET", "/control/faults").body
    assert rule["fault"] == "F35"
    assert rule["phase"] == ("reply" if kind == "early_event" else "stream")


def test_a_kind_that_does_not_exist_is_refused(speaker: Speaker) -> None:
    reply = speaker.control("POST", "/control/faults", fault="F35", action="explode")
    assert reply.status == 400


def test_combined_streams_suffer_alike(speaker: Speaker) -> None:
    client = binance_streams(speaker, DIFF)
    upset(speaker, "duplicate", path_regex="@depth")
    first, second = ticks(speaker, client, 1)
    assert first == second
