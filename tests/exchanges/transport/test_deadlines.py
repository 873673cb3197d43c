"""One deadline over the whole exchange, and bounded memory, whatever the other side does.

None of these servers ever ends by itself: a test that ends has met the deadline or the cap.
"""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from exchanges.errors import NotSentError, OutcomeUnknownError
from exchanges.registry import utc_now
from exchanges.transport.calls import VenueTransport
from exchanges.transport.http import HttpSender
from exchanges.transport.wire import Request, SignedRequest
from tests.exchanges.raw_server import (
    Behaviour,
    Flood,
    break_handshake,
    close_before_reply,
    drip_from_the_start,
    drip_handshake,
    hang,
    raw_server,
    reply,
    take_nothing,
)
from tests.exchanges.transport.test_losses import MONEY, PlainDialect, ordered

MEBIBYTE = 1024 * 1024
DEADLINE_SECONDS = 0.4


@dataclass
class BodyDialect(PlainDialect):
    """Sends one body."""

    body: bytes = b"{}"
    signed: int = 0

    def sign(self, request: Request) -> SignedRequest:
        self.signed += 1
        return SignedRequest(method="POST", target=request.path, body=self.body)


@contextmanager
def transport_to(
    url: str, *, deadline_seconds: float = DEADLINE_SECONDS, body: bytes = b"{}"
) -> Iterator[VenueTransport]:
    made = VenueTransport(
        BodyDialect(body), HttpSender(url), clock=utc_now, deadline_seconds=deadline_seconds
    )
    try:
        yield made
    finally:
        made.close()


def test_f33_headers_that_drip_end_at_the_deadline() -> None:
    with raw_server(drip_from_the_start) as server, transport_to(server.url) as transport:
        with pytest.raises(OutcomeUnknownError):
            transport.call(MONEY, ordered)
        assert len(server.requests) == 1


def test_f33_a_tls_handshake_that_drips_ends_at_the_deadline_and_was_not_sent() -> None:
    with raw_server(reply()) as server:
        server.accepted = drip_handshake
        url = server.url.replace("http:", "https:")
        with transport_to(url) as transport, pytest.raises(NotSentError):
            transport.call(MONEY, ordered)
        assert server.requests == []


def test_a_request_that_is_never_taken_ends_at_the_deadline_and_may_have_been_sent() -> None:
    with raw_server(hang) as server:
        server.accepted = take_nothing
        with (
            transport_to(server.url, body=b" " * 32 * MEBIBYTE) as transport,
            pytest.raises(OutcomeUnknownError),
        ):
            transport.call(MONEY, ordered)
        assert server.requests == []


def test_a_name_that_is_never_resolved_ends_at_the_deadline_and_was_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    over = threading.Event()

    def never(*_: Any) -> list[Any]:
        over.wait()
        return []

    with transport_to("http://venue.test") as transport:
        monkeypatch.setattr(socket, "getaddrinfo", never)
        with pytest.raises(NotSentError):
            transport.call(MONEY, ordered)
    over.set()


def test_a_name_with_many_silent_addresses_ends_at_the_deadline_and_was_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each address alone would be waited for: fifty of them would take fifty deadlines."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        silent = full.getsockname()
        rows = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", silent)] * 50
        with (
            socket.create_connection(silent),
            transport_to("http://venue.test") as transport,
        ):
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_: rows)
            began = time.monotonic()
            with pytest.raises(NotSentError):
                transport.call(MONEY, ordered)
            assert time.monotonic() - began < 10 * DEADLINE_SECONDS


def test_a_silent_address_leaves_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dead route, or a dead edge of the venue's: it has its share of the time, and no more."""
    with socket.socket() as full, raw_server(reply(b'{"a": 1}')) as server:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        silent = full.getsockname()
        answering = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        rows = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in (silent, answering)
        ]
        with (
            socket.create_connection(silent),
            transport_to("http://venue.test", deadline_seconds=2) as transport,
        ):
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_: rows)
            assert transport.call(MONEY, ordered) == {"a": 1}
        assert len(server.requests) == 1


def test_an_address_of_a_family_that_this_machine_lacks_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lacking = 0x7FFF
    with raw_server(reply(b'{"a": 1}')) as server:
        answering = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        rows = [
            (family, socket.SOCK_STREAM, 6, "", answering) for family in (lacking, socket.AF_INET)
        ]
        with transport_to("http://venue.test") as transport:
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_: rows)
            assert transport.call(MONEY, ordered) == {"a": 1}
        assert len(server.requests) == 1


def test_a_connection_that_breaks_in_its_tls_handshake_carried_no_order() -> None:
    with raw_server(reply()) as server:
        server.accepted = break_handshake
        url = server.url.replace("http:", "https:")
        with transport_to(url) as transport, pytest.raises(NotSentError):
            transport.call(MONEY, ordered)
        assert server.requests == []


def test_the_next_address_is_asked_when_the_first_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        refusing = unused.getsockname()
    with raw_server(reply(b'{"a": 1}')) as server:
        answering = ("127.0.0.1", int(server.url.rpartition(":")[2]))
        rows = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", address)
            for address in (refusing, answering)
        ]
        with transport_to("http://venue.test") as transport:
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_: rows)
            assert transport.call(MONEY, ordered) == {"a": 1}
        assert len(server.requests) == 1


HEADS = {
    "a body without end": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n",
    "a body of a gibibyte": b"HTTP/1.1 200 OK\r\nContent-Length: 1073741824\r\n\r\n",
    "an error without end": b"HTTP/1.1 400 Bad\r\n\r\n",
    "a redirect without end": b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
    "a redirect that is packed": (
        b"HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Encoding: gzip\r\n\r\n"
    ),
}


@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS.keys())
def test_f34_a_body_is_read_up_to_its_cap_only_whatever_it_says(head: bytes) -> None:
    chunk = gzip.compress(b" " * MEBIBYTE) if b"gzip" in head else b" " * 65536
    flood = Flood(head, chunk)
    with raw_server(flood) as server:
        sender = HttpSender(server.url, body_limit=MEBIBYTE)
        transport = VenueTransport(PlainDialect(), sender, clock=utc_now, deadline_seconds=20)
        tracemalloc.start()
        with pytest.raises(OutcomeUnknownError):
            transport.call(MONEY, ordered)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        transport.close()
        assert len(server.requests) == 1
    assert flood.sent < 32 * MEBIBYTE  # the cap, and what both sides' sockets hold
    assert peak < 8 * MEBIBYTE


def test_a_redirect_is_not_followed() -> None:
    with raw_server(reply(b'{"a": 1}')) as elsewhere:
        away = reply(b"{}", status=302, headers={"Location": f"{elsewhere.url}/v1/orders"})
        with raw_server(away) as server, transport_to(server.url) as transport:
            with pytest.raises(OutcomeUnknownError):
                transport.call(MONEY, ordered)
            assert len(server.requests) == 1
        assert (elsewhere.connections, elsewhere.requests) == (0, [])


@pytest.mark.parametrize("end", [close_before_reply, hang], ids=["closed", "kept"])
def test_f7_a_kept_connection_that_the_venue_gave_up_carries_no_order(end: Behaviour) -> None:
    """A kept socket whose end has been seen is not used again: the order goes over a new one."""
    with raw_server(reply(b'{"a": 1}')) as server, transport_to(server.url) as transport:
        transport.call(MONEY, ordered)
        if end is close_before_reply:
            server.hang_up()
        assert transport.call(MONEY, ordered) == {"a": 1}
        assert len(server.requests) == 2
        assert server.connections == (2 if end is close_before_reply else 1)
