"""Whatever a client sends, a session answers in JSON or closes; it never raises."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings, strategies as st

from exchanges.simulator.core.streams import frames
from tests.exchanges.simulator.speaking import Speaker, new_simulator
from tests.exchanges.simulator.streaming import API, PRIVATE, PUBLIC, Client, bearer, connect

WORDS = st.sampled_from(
    ["ticket", "type", "codes", "level", "format", "method", "params", "id", "ticker", "orderbook",
     "KRW-XRP", "KRW-XRP.5", "SUBSCRIBE", "UNSUBSCRIBE", "SET_PROPERTY", "combined", "order.place",
     "userDataStream.subscribe.signature", "xrpusdt@trade", "myOrder", "myAsset", "SIMPLE_LIST",
     "LIST_SUBSCRIPTIONS", "apiKey", "signature", "symbol", "XRPUSDT", "is_only_snapshot"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS, inner, max_size=5),
    max_leaves=12,
)
MESSAGES = st.binary(max_size=30) | VALUES.map(lambda value: json.dumps(value).encode())
SPEAKER = Speaker(new_simulator())


def clients() -> list[Client]:
    private = connect(SPEAKER, "upbit", PRIVATE, authorization=bearer(SPEAKER))
    public = connect(SPEAKER, "upbit", PUBLIC)
    return [private, public, *(connect(SPEAKER, "binance", path) for path in ("/ws", API))]


def is_json(data: bytes) -> bool:
    value: Any = json.loads(data)
    return isinstance(value, dict | list)


@settings(max_examples=150, deadline=None)
@given(st.lists(MESSAGES, max_size=4))
def test_any_message_is_answered_in_json(messages: list[bytes]) -> None:
    for client in clients():
        for message in messages:
            client.send(frames.TEXT, message)
        SPEAKER.wait(0.1)
        answers = [frame for frame in client.frames() if frame.kind != frames.CLOSE]
        assert all(is_json(frame.data) for frame in answers)
        SPEAKER.simulator.streams.forget(client.session)
    assert SPEAKER.simulator.streams.sessions == {}
