"""Private streams over real sockets: what they hint at, and how they are listened to again."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest

from exchanges import registry, streams
from exchanges.adapters.binance import account_stream as binance_stream
from exchanges.adapters.krw import account_stream as korean_stream
from exchanges.errors import RefusedError
from exchanges.feeds import account as account_module
from exchanges.feeds.account import Account, AccountStream
from exchanges.hints import ANYTHING, Hint, StreamRequest
from exchanges.simulator.server import RunningSimulator
from exchanges.values import Market, OrderRequest, Side
from tests.exchanges.feeds.conftest import eventually
from tests.exchanges.raw_server import raw_server, reply

VENUES = pytest.mark.parametrize("venue", ["upbit", "bithumb", "binance"])
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SWITCHED = (
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Accept: "
)
OF_ORDERS = Hint(is_of_orders=True, assets=frozenset())


@dataclass
class Ear:
    """What was heard of a simulated account's stream."""

    running: RunningSimulator
    heard: list[Hint] = field(default_factory=list)

    def control(self, path: str, payload: dict[str, Any] | None, method: str = "POST") -> Any:
        body = None if payload is None else json.dumps(payload).encode()
        request = urllib.request.Request(
            self.running.control_url + path, data=body, method=method,
            headers={"Content-Type": "application/json"},
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.loads(reply.read() or b"null")

    @contextmanager
    def at(self, venue: str) -> Iterator[AccountStream]:
        stream = streams.listen(venue, self.heard.append)
        try:
            yield stream
        finally:
            stream.close()

    def connections(self) -> int:
        """Count the connections so far: each begins with a hint about everything."""
        return self.heard.count(ANYTHING)


@pytest.fixture
def ear(
    simulator: RunningSimulator, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Ear]:
    """Listen in a world of this test's own, with little patience."""
    monkeypatch.setattr(account_module, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(account_module, "LONGEST_PAUSE_SECONDS", 0.1)
    monkeypatch.setattr(account_module, "REFUSED_PAUSE_SECONDS", 0.1)
    settings.KIMP_SIMULATOR_URL = simulator.control_url
    registry.configure(database_is_live=False)
    ear = Ear(simulator)
    ear.control("/control/reset", {"seed": 3, "speed": "60", "scenario": "unlimited"})
    ear.control("/control/faults", None, "DELETE")
    yield ear
    ear.control("/control/faults", None, "DELETE")
    registry.forget()


def credit(ear: Ear, venue: str, asset: str = "XRP") -> None:
    ear.control("/control/balances", {"venue": venue, "asset": asset, "credit": "1000"})


@VENUES
def test_a_balance_that_moves_hints_at_its_asset_and_at_no_order(ear: Ear, venue: str) -> None:
    with ear.at(venue):
        eventually(lambda: ear.heard == [ANYTHING])
        credit(ear, venue)
        eventually(lambda: len(ear.heard) > 1)
    assert set(ear.heard[1:]) == {Hint(is_of_orders=False, assets=frozenset({"XRP"}))}


@VENUES
def test_an_order_hints_at_orders(ear: Ear, venue: str) -> None:
    market = Market("XRP", "USDT" if venue == "binance" else "KRW")
    with ear.at(venue):
        eventually(lambda: ear.heard == [ANYTHING])
        credit(ear, venue)
        adapter = registry.adapter(venue)
        best = adapter.book(market).bids[0].price
        adapter.place_order(
            OrderRequest(
                market=market, side=Side.SELL, quantity=Decimal(100), limit_price=best,
                client_order_id="k-hint-1",
            )
        )  # fmt: skip
        eventually(lambda: OF_ORDERS in ear.heard)


@VENUES
def test_a_connection_that_ends_is_made_again_and_what_was_missed_may_be_anything(
    ear: Ear, venue: str
) -> None:
    with ear.at(venue) as stream:
        eventually(lambda: stream.is_open)
        stream.drop("silent")
        eventually(lambda: ear.connections() == 2)
        credit(ear, venue)
        eventually(lambda: len(ear.heard) > 2)


@VENUES
def test_who_is_not_let_in_asks_again_only_after_a_while(ear: Ear, venue: str) -> None:
    ear.control("/control/faults", {"fault": "F35", "action": "reject_auth", "venue": venue})
    with ear.at(venue) as stream:
        eventually(lambda: stream.refusals > 1)
        ear.control("/control/faults", None, "DELETE")
        eventually(lambda: stream.is_open)
        credit(ear, venue)
        eventually(lambda: Hint(is_of_orders=False, assets=frozenset({"XRP"})) in ear.heard)


def test_a_connection_without_pongs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that is silent looks like an account at rest: pings tell the one from the other."""
    monkeypatch.setattr(account_module, "PING_SECONDS", 0.1)
    monkeypatch.setattr(account_module, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(account_module, "CLOSE_SECONDS", 0.1)
    heard: list[Hint] = []
    with deaf_venue() as url:
        account = Account(
            venue="upbit", endpoint=lambda: (url, StreamRequest(path="/")),
            hint=lambda frame: None, release=lambda: None,
        )  # fmt: skip
        stream = AccountStream(account, heard.append)
        stream.start()
        eventually(lambda: len(heard) > 1)
        stream.close()


@contextmanager
def deaf_venue() -> Iterator[str]:
    """Run a server that takes connections and never reads what comes after."""
    kept: list[socket.socket] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def take() -> None:
        with suppress(OSError):
            while True:
                kept.append(listener.accept()[0])
                asked = kept[-1].recv(4096).decode()
                key = next(
                    line.split(": ")[1]
                    for line in asked.splitlines()
                    if line.lower().startswith("sec-websocket-key")
                )
                proof = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
                kept[-1].sendall((SWITCHED + proof + "\r\n\r\n").encode())

    threading.Thread(target=take, daemon=True).start()
    try:
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        for one in (listener, *kept):
            one.close()


@pytest.mark.parametrize(
    ("frame", "hint"),
    [
        ({"type": "myOrder", "state": "done", "identifier": "k1"}, OF_ORDERS),
        (
            {"type": "myAsset", "assets": [{"currency": "XRP"}, {"currency": "KRW"}]},
            Hint(is_of_orders=False, assets=frozenset({"XRP", "KRW"})),
        ),
        ({"status": "UP"}, None),
        ({"type": "myAsset", "assets": "odd"}, ANYTHING),
    ],
)
def test_a_korean_frame_is_a_hint_and_nothing_of_what_it_says(
    frame: Any, hint: Hint | None
) -> None:
    assert korean_stream.hint(json.dumps(frame).encode(), "upbit") == hint


@pytest.mark.parametrize(
    ("frame", "hint"),
    [
        ({"subscriptionId": 0, "event": {"e": "executionReport", "X": "FILLED"}}, OF_ORDERS),
        (
            {"subscriptionId": 0, "event": {"e": "balanceUpdate", "a": "XRP", "d": "5"}},
            Hint(is_of_orders=False, assets=frozenset({"XRP"})),
        ),
        ({"subscriptionId": 0, "event": {"e": "outboundAccountPosition"}}, None),
        ({"id": "kimp", "status": 200, "result": {"subscriptionId": 0}}, None),
        ({"event": 7}, ANYTHING),
    ],
)
def test_an_event_of_binance_is_a_hint_and_nothing_of_what_it_says(
    frame: Any, hint: Hint | None
) -> None:
    assert binance_stream.hint(json.dumps(frame).encode()) == hint


def test_a_subscription_that_is_refused_or_ended_says_so_without_the_key() -> None:
    with pytest.raises(RefusedError):
        korean_stream.hint(b'{"error":{"name":"INVALID_AUTH","message":"x"}}', "upbit")
    with pytest.raises(RefusedError):
        binance_stream.hint(b'{"id":"kimp","status":400,"error":{"code":-2015,"msg":"x"}}')
    with pytest.raises(RefusedError):
        binance_stream.hint(b'{"event":{"e":"eventStreamTerminated"}}')


def test_what_is_said_to_a_venue_is_never_printed(ear: Ear) -> None:
    for venue in registry.VENUES:
        request = registry.adapter(venue).stream_request()
        assert "messages" not in repr(request)
        assert "headers" not in repr(request)


NO_END = b'{"x":' + b"[" * 100_000


@pytest.mark.parametrize(
    "frame", [b'{"type":"myAsset","assets":[{"currency":"\xff"}]}', b'{"type":"\xff"}', NO_END]
)
def test_a_korean_frame_of_spoilt_bytes_may_be_about_anything(frame: bytes) -> None:
    assert korean_stream.hint(frame, "upbit") == ANYTHING


@pytest.mark.parametrize("frame", [b'{"event":{"e":"balanceUpdate","a":"\xff"}}', NO_END])
def test_an_event_of_binance_of_spoilt_bytes_may_be_about_anything(frame: bytes) -> None:
    assert binance_stream.hint(frame) == ANYTHING


@contextmanager
def answered(status: int) -> Iterator[tuple[AccountStream, Callable[[], int]]]:
    """Listen at a venue that answers every handshake with a status; gives how many it saw."""
    with raw_server(reply(b"", status=status)) as server:
        url = server.url.replace("http", "ws", 1)
        account = Account(
            venue="upbit", endpoint=lambda: (url, StreamRequest(path="/")),
            hint=lambda frame: None, release=lambda: None,
        )  # fmt: skip
        stream = AccountStream(account, lambda hint: None, jitter=lambda: 0.01)
        stream.start()
        try:
            yield stream, lambda: len(server.requests)
        finally:
            stream.close()


@pytest.mark.parametrize("status", [200, 404, 500, 502, 503, 504])
def test_a_venue_in_trouble_is_a_broken_line_and_no_refusal(status: int) -> None:
    with answered(status) as (stream, seen):
        eventually(lambda: seen() > 2)
        assert stream.refusals == 0


@pytest.mark.parametrize("status", [401, 403, 418, 429])
def test_a_key_or_limit_or_firewall_that_turns_the_handshake_away_is_a_refusal(
    status: int,
) -> None:
    with answered(status) as (stream, seen):
        eventually(lambda: stream.refusals > 0)
        assert seen() == 1
