"""Limits of connections and messages, on the simulator's clock."""

from __future__ import annotations

import pytest

from exchanges.simulator.core.streams import frames
from exchanges.simulator.core.streams.pace import Door, Pace
from exchanges.simulator.core.streams.session import LONGEST_OUTBOX, Session
from exchanges.simulator.core.values import Reply
from tests.exchanges.simulator.speaking import Speaker, new_simulator
from tests.exchanges.simulator.streaming import (
    API,
    PRIVATE,
    PUBLIC,
    bearer,
    binance_streams,
    connect,
    knock,
)


@pytest.fixture
def limited() -> Speaker:
    speaker = Speaker(new_simulator(scenario="default", speed=1))
    speaker.wait(0.1)
    return speaker


def statuses(speaker: Speaker, times: int, venue: str, path: str, **headers: str) -> list[int]:
    replies = [knock(speaker, venue, path, **headers) for _ in range(times)]
    return [reply.status if isinstance(reply, Reply) else 101 for reply in replies]


def test_upbit_takes_five_connections_a_second_from_an_address(limited: Speaker) -> None:
    assert statuses(limited, 6, "upbit", PUBLIC) == [101] * 5 + [429]
    limited.wait(1)
    assert statuses(limited, 1, "upbit", PUBLIC) == [101]


def test_a_signed_connection_counts_for_the_account(limited: Speaker) -> None:
    statuses(limited, 5, "upbit", PUBLIC)
    private = [knock(limited, "upbit", PRIVATE, authorization=bearer(limited)) for _ in range(6)]
    assert [isinstance(reply, Session) for reply in private] == [True] * 5 + [False]


def test_a_browser_may_connect_once_in_ten_seconds(limited: Speaker) -> None:
    origin = {"origin": "https://example.com"}
    assert statuses(limited, 2, "upbit", PUBLIC, **origin) == [101, 429]
    limited.wait(9.9)
    assert statuses(limited, 1, "upbit", PUBLIC, **origin) == [429]
    limited.wait(0.1)
    assert statuses(limited, 1, "upbit", PUBLIC, **origin) == [101]


def test_upbit_takes_five_messages_a_second(limited: Speaker) -> None:
    client = connect(limited, "upbit", PUBLIC)
    for _ in range(5):
        client.say("PING")
    assert client.heard() == [{"status": "UP"}] * 5
    client.say("PING")
    assert client.one()["error"]["name"] == "TOO_MANY_REQUESTS"
    assert [(frame.kind, frame.code) for frame in client.last[1:]] == [(frames.CLOSE, 1008)]


def test_upbit_takes_a_hundred_messages_a_minute(limited: Speaker) -> None:
    client = connect(limited, "upbit", PUBLIC)
    for _ in range(100):
        limited.wait(0.5)
        client.say("PING")
    assert client.session.is_open
    limited.wait(0.5)
    client.say("PING")
    assert not client.session.is_open


def test_a_connection_does_not_use_up_anothers_messages(limited: Speaker) -> None:
    one, two = connect(limited, "upbit", PUBLIC), connect(limited, "upbit", PUBLIC)
    for client in (one, two):
        for _ in range(5):
            client.say("PING")
    assert one.session.is_open
    assert two.session.is_open


@pytest.mark.parametrize("kind", [frames.TEXT, frames.PING, frames.PONG])
def test_binance_cuts_off_who_sends_more_than_five_frames_a_second(
    limited: Speaker, kind: str
) -> None:
    client = connect(limited, "binance", "/ws")
    for _ in range(5):
        client.send(kind, b"{}")
    assert client.session.is_open
    client.send(kind, b"{}")
    assert client.ends() == [(frames.CLOSE, 1008)]


def test_binance_takes_300_connections_in_five_minutes(limited: Speaker) -> None:
    opened = statuses(limited, 150, "binance", "/ws") + statuses(limited, 150, "binance", API)
    assert opened == [101] * 300
    refused = knock(limited, "binance", "/ws")
    assert isinstance(refused, Reply)
    assert (refused.status, dict(refused.headers)["Retry-After"]) == (429, "300")
    limited.wait(300)
    assert statuses(limited, 1, "binance", "/ws") == [101]


def test_without_limits_anybody_may_do_anything_as_often(speaker: Speaker) -> None:
    assert statuses(speaker, 400, "binance", "/ws") == [101] * 400
    client = connect(speaker, "upbit", PUBLIC)
    for _ in range(500):
        client.say("PING")
    assert client.session.is_open


def test_requests_of_the_websocket_api_are_counted_by_weight_not_by_message(
    limited: Speaker,
) -> None:
    client = connect(limited, "binance", API)
    for _ in range(300):
        client.say({"id": 1, "method": "exchangeInfo"})
    assert {answer["status"] for answer in client.heard()} == {200}
    client.say({"id": 1, "method": "exchangeInfo"})
    assert client.one()["status"] == 429


def test_who_does_not_read_is_cut_off(speaker: Speaker) -> None:
    client = binance_streams(speaker, "xrpusdt@bookTicker")
    for _ in range(LONGEST_OUTBOX + 1):
        client.send(frames.PING, b"")
    assert client.ends() == [(frames.ABORT, 0)]
    assert client.session not in speaker.simulator.streams.sessions


def test_a_door_bans_who_goes_on_knocking() -> None:
    door = Door((Pace(10, 1000),), ban_ms=600_000)
    knocks = [door.admits(0) for _ in range(20)]
    assert knocks == [True] * 10 + [False] * 10
    assert not door.admits(599_999)
    assert door.admits(600_000)
