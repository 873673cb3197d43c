"""What forbids a request to leave is asked when its bytes are about to: signing and connecting take their time.

Over real connections; only the clocks, and what happens once they stand, are the tests' own.
"""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from exchanges import registry
from exchanges.errors import NotSentError, OutcomeUnknownError
from exchanges.registry import utc_now
from exchanges.transport.calls import VenueTransport
from exchanges.transport.http import HttpSender
from exchanges.transport.wire import Request, SignedRequest
from tests.exchanges.raw_server import raw_server, read_request, reply
from tests.exchanges.transport.sleeping import suspend, when_connected
from tests.exchanges.transport.test_losses import MONEY, READ, PlainDialect, ordered

LATE = "its worker has handed it on"


class Sleepy(PlainDialect):
    """Lets something happen while it signs."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = happens

    def sign(self, request: Request) -> SignedRequest:
        self._happens()
        return super().sign(request)


def transport_to(url: str, *, signing: Callable[[], object] = list, **facts: Any) -> VenueTransport:
    facts.setdefault("clock", utc_now)
    sender = HttpSender(url)
    return VenueTransport(Sleepy(signing), sender, sleep=lambda _seconds: None, **facts)


def test_an_order_whose_connection_took_longer_than_its_time_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [utc_now()]
    when_connected(monkeypatch, lambda: now.append(now[-1] + timedelta(seconds=12)))
    with raw_server(reply(b'{"a": 1}')) as server:
        transport = transport_to(server.url, clock=lambda: now[-1])
        late = replace(MONEY, send_before=now[0] + timedelta(seconds=5))
        with pytest.raises(NotSentError, match="too late"):
            transport.call(late, ordered)
        assert server.requests == []
        in_time = replace(MONEY, send_before=now[-1] + timedelta(seconds=13))
        assert transport.call(in_time, ordered) == {"a": 1}
        transport.close()


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="only Linux stops its clock")
def test_what_slept_with_its_host_while_it_connected_is_not_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By its deadline alone, which goes on meanwhile."""
    when_connected(monkeypatch, lambda: suspend(monkeypatch))
    with raw_server(reply()) as server:
        transport = transport_to(server.url)
        with pytest.raises(NotSentError):
            transport.call(MONEY, ordered)
        assert server.requests == []
        transport.close()


@pytest.fixture
def certified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """Give the server's side of a certificate that clients here believe."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=venue"]
    made += [
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-keyout",
        str(key),
        "-out",
        str(certificate),
    ]
    subprocess.run(["openssl", *made], check=True, capture_output=True)
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.mark.skipif(not shutil.which("openssl"), reason="nobody here makes certificates")
def test_so_it_is_where_the_handshake_of_tls_takes_longer(certified: ssl.SSLContext) -> None:
    now, taken = [utc_now()], list[bytes]()

    def shaken(sock: socket.socket) -> None:
        now.append(now[-1] + timedelta(seconds=12))
        with certified.wrap_socket(sock, server_side=True) as tls:
            while request := read_request(tls):
                taken.append(request)
                reply(b'{"a": 1}')(tls)

    with raw_server() as server:
        server.accepted = shaken
        url = server.url.replace("http:", "https:")
        transport = transport_to(url, clock=lambda: now[-1])
        late = replace(MONEY, send_before=now[0] + timedelta(seconds=5))
        with pytest.raises(NotSentError, match="too late"):
            transport.call(late, ordered)
        assert taken == []
        in_time = replace(MONEY, send_before=now[-1] + timedelta(seconds=13))
        assert transport.call(in_time, ordered) == {"a": 1}
        assert len(taken) == 1
        transport.close()


def test_who_sends_may_forbid_it_until_the_first_byte_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said = [""]
    when_connected(monkeypatch, lambda: said.append(LATE))
    with raw_server(reply(b'{"a": 1}')) as server:
        transport = transport_to(server.url)
        with (
            registry.sending_unless(lambda: said[-1]),
            pytest.raises(NotSentError, match=LATE),
        ):
            transport.call(MONEY, ordered)
        assert server.requests == []
        assert transport.call(MONEY, ordered) == {"a": 1}  # no longer than he sends
        transport.close()


def test_so_it_is_on_a_connection_that_was_kept() -> None:
    said, signs = [""], iter(["", LATE])  # it is forbidden while the second is signed
    with raw_server(reply(b'{"a": 1}')) as server:
        transport = transport_to(server.url, signing=lambda: said.append(next(signs)))
        with registry.sending_unless(lambda: said[-1]):
            assert transport.call(MONEY, ordered) == {"a": 1}
            with pytest.raises(NotSentError, match=LATE):
                transport.call(MONEY, ordered)
        assert (server.connections, len(server.requests)) == (1, 1)
        transport.close()


def test_what_moves_nothing_is_read_all_the_same() -> None:
    with raw_server(reply(b'{"a": 1}')) as server:
        transport = transport_to(server.url)
        with registry.sending_unless(lambda: LATE):
            assert transport.call(READ, ordered) == {"a": 1}
        transport.close()


def test_a_request_that_is_forbidden_behind_its_head_stays_half_and_may_have_been_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = iter(["", "", LATE])  # before it is signed, before its head, before its body
    with raw_server(reply()) as server:
        transport = transport_to(server.url)
        with (
            registry.sending_unless(lambda: next(asked)),
            pytest.raises(OutcomeUnknownError, match=LATE),
        ):
            transport.call(MONEY, ordered)
        assert server.requests == []
        transport.close()
