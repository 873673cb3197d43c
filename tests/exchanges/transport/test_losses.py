"""Every row of "was my request accepted?": the error a caller gets, and how often the venue was asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from exchanges.errors import (
    NotSentError,
    OutcomeUnknownError,
    RefusalReason,
    RefusedError,
    ThrottledError,
    VenueError,
)
from exchanges.registry import utc_now
from exchanges.transport.budget import RateBudget
from exchanges.transport.calls import VenueTransport
from exchanges.transport.http import HttpSender
from exchanges.transport.limits import Pace
from exchanges.transport.reading import decode
from exchanges.transport.verdicts import Verdict
from exchanges.transport.wire import Reply, Request, SignedRequest
from tests.exchanges.raw_server import (
    Behaviour,
    close_before_reply,
    dripper,
    hang,
    raw_server,
    reply,
    reset,
    truncate,
)

MONEY = Request(operation="place_order", method="POST", path="/v1/orders", moves_money=True)
READ = Request(operation="balances", method="GET", path="/v1/accounts")
HTML = b"<html><body>502 Bad Gateway</body></html>"


class PlainDialect:
    """Signs nothing; knows one refusal; counts how often it signed."""

    venue = "test"

    def __init__(self) -> None:
        self.signed = 0

    def sign(self, request: Request) -> SignedRequest:
        self.signed += 1
        body = b"{}" if request.method == "POST" else None
        return SignedRequest(method=request.method, target=request.path, body=body)

    def verdict(self, reply: Reply) -> Verdict:
        if b"no_funds" in reply.body:
            return Verdict(code="no_funds", reason=RefusalReason.FUNDS)
        return Verdict(code="odd" if reply.body.startswith(b"{") else "")

    def pace(self, request: Request, reply: Reply) -> Pace:
        left = reply.headers.get("left")
        return Pace(group="order", hold_seconds=1.0 if left == "0" else 0.0) if left else Pace()


@contextmanager
def transport_to(url: str, **options: float) -> Iterator[VenueTransport]:
    made = VenueTransport(
        PlainDialect(),
        HttpSender(url),
        clock=utc_now,
        deadline_seconds=options.get("deadline_seconds", 2),
        sleep=lambda seconds: None,
        jitter=lambda: 0.0,
    )
    try:
        yield made
    finally:
        made.close()


def ordered(answer: Reply) -> dict[str, Decimal]:
    return decode(answer.body, dict[str, Decimal])


LOST: dict[str, Behaviour] = {
    "closed before the reply": close_before_reply,
    "reset": reset,
    "body truncated": truncate,
    "empty body": reply(b""),
    "empty list": reply(b"[]"),
    "HTML with 200": reply(HTML, content_type="text/html"),
    "JSON of another type": reply(b'{"a": "1"}', content_type="text/html"),
    "truncated JSON": reply(b'{"a": "1'),
    "byte order mark": reply(b'\xef\xbb\xbf{"a": "1"}'),
    "500 JSON": reply(b'{"error": 1}', status=500),
    "502 HTML": reply(HTML, status=502, content_type="text/html"),
    "503": reply(HTML, status=503, content_type="text/html"),
    "504": reply(HTML, status=504, content_type="text/html"),
    "520": reply(HTML, status=520, content_type="text/html"),
    "524": reply(HTML, status=524, content_type="text/html"),
    "408": reply(b"{}", status=408),
    "403 firewall": reply(HTML, status=403, content_type="text/html"),
    "400 unknown code": reply(b'{"odd": 1}', status=400),
    "redirect": reply(b"{}", status=302, headers={"Location": "http://127.0.0.1:1/"}),
}


@pytest.mark.parametrize("behaviour", LOST.values(), ids=LOST.keys())
def test_a_money_move_with_a_spoilt_reply_is_unknown_and_sent_once(behaviour: Behaviour) -> None:
    with raw_server(behaviour) as server, transport_to(server.url) as transport:
        with pytest.raises(OutcomeUnknownError):
            transport.call(MONEY, ordered)
        assert len(server.requests) == 1


def test_a_money_move_without_a_reply_in_time_is_unknown_and_sent_once() -> None:
    with (
        raw_server(hang) as server,
        transport_to(server.url, deadline_seconds=0.3) as transport,
    ):
        with pytest.raises(OutcomeUnknownError):
            transport.call(MONEY, ordered)
        assert len(server.requests) == 1


def test_a_dripping_reply_ends_at_the_total_deadline() -> None:
    stop = threading.Event()
    with (
        raw_server(dripper(stop)) as server,
        transport_to(server.url, deadline_seconds=0.4) as transport,
    ):
        with pytest.raises(OutcomeUnknownError):
            transport.call(MONEY, ordered)
        stop.set()
        assert len(server.requests) == 1


def test_a_reply_beyond_the_size_cap_is_unknown() -> None:
    with raw_server(reply(b" " * 5000)) as server:
        sender = HttpSender(server.url, body_limit=1000)
        transport = VenueTransport(PlainDialect(), sender, clock=utc_now, deadline_seconds=2)
        with pytest.raises(OutcomeUnknownError):
            transport.call(MONEY, ordered)
        transport.close()
        assert len(server.requests) == 1


def test_a_compressed_reply_is_not_unpacked() -> None:
    packed = reply(b"\x1f\x8b" + b"0" * 30, headers={"Content-Encoding": "gzip"})
    with raw_server(packed) as server, transport_to(server.url) as transport:
        with pytest.raises(OutcomeUnknownError):
            transport.call(MONEY, ordered)
        assert b"accept-encoding: identity" in server.requests[0].lower()


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("request_", [MONEY, READ], ids=["money", "read"])
def test_a_refused_connection_is_not_sent_and_tried_again(request_: Request) -> None:
    dialect = PlainDialect()
    sender = HttpSender(f"http://127.0.0.1:{unused_port()}")
    transport = VenueTransport(dialect, sender, clock=utc_now, sleep=lambda seconds: None)
    with pytest.raises(NotSentError):
        transport.call(request_, ordered)
    transport.close()
    assert dialect.signed == 3


def test_a_name_that_does_not_resolve_is_not_sent() -> None:
    with transport_to("http://venue.invalid") as transport, pytest.raises(NotSentError):
        transport.call(MONEY, ordered)


def test_a_connection_that_is_never_accepted_is_not_sent() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        with (
            socket.create_connection(address),
            transport_to(f"http://127.0.0.1:{address[1]}", deadline_seconds=0.5) as transport,
            pytest.raises(NotSentError),
        ):
            transport.call(MONEY, ordered)


def test_a_tls_handshake_that_never_ends_is_not_sent() -> None:
    with raw_server(hang) as server:
        url = server.url.replace("http:", "https:")
        with (
            transport_to(url, deadline_seconds=0.5) as transport,
            pytest.raises(NotSentError),
        ):
            transport.call(MONEY, ordered)
        assert server.requests == []


def test_a_money_move_is_tried_again_only_while_nothing_was_sent() -> None:
    """The first connection is refused, the second one loses the reply: that ends it."""
    port = unused_port()
    sleeps: list[float] = []
    servers: list[socket.socket] = []

    def open_the_venue(seconds: float) -> None:
        sleeps.append(seconds)
        if not servers:
            listener = socket.create_server(("127.0.0.1", port))
            servers.append(listener)
            threading.Thread(target=accept_and_close, args=(listener,), daemon=True).start()

    sender = HttpSender(f"http://127.0.0.1:{port}")
    transport = VenueTransport(
        PlainDialect(), sender, clock=utc_now, sleep=open_the_venue, jitter=lambda: 0.0
    )
    with pytest.raises(OutcomeUnknownError):
        transport.call(MONEY, ordered)
    transport.close()
    servers[0].close()
    assert sleeps == [0.05]


def accept_and_close(listener: socket.socket) -> None:
    sock, _ = listener.accept()
    sock.recv(65536)
    sock.close()


def test_a_documented_refusal_is_refused_with_its_reason() -> None:
    with (
        raw_server(reply(b'{"error": "no_funds"}', status=400)) as server,
        transport_to(server.url) as transport,
    ):
        with pytest.raises(RefusedError) as caught:
            transport.call(MONEY, ordered)
        assert (caught.value.reason, caught.value.code) == (RefusalReason.FUNDS, "no_funds")
        assert len(server.requests) == 1


def test_an_unknown_code_refuses_a_read() -> None:
    with (
        raw_server(reply(b'{"odd": 1}', status=400)) as server,
        transport_to(server.url) as transport,
    ):
        with pytest.raises(RefusedError) as caught:
            transport.call(READ, ordered)
        assert caught.value.reason is RefusalReason.OTHER
        assert len(server.requests) == 1


@pytest.mark.parametrize("spoilt", [reset, close_before_reply, reply(HTML, status=502)])
def test_a_read_is_tried_again_and_signed_anew(spoilt: Behaviour) -> None:
    with raw_server(spoilt, spoilt, reply(b'{"a": "1.50"}')) as server:
        dialect = PlainDialect()
        transport = VenueTransport(
            dialect, HttpSender(server.url), clock=utc_now, sleep=lambda seconds: None
        )
        assert transport.call(READ, ordered) == {"a": Decimal("1.50")}
        transport.close()
        assert (len(server.requests), dialect.signed) == (3, 3)


def test_a_read_that_stays_lost_is_unknown_after_three_tries() -> None:
    with raw_server(reset) as server, transport_to(server.url) as transport:
        with pytest.raises(OutcomeUnknownError):
            transport.call(READ, ordered)
        assert len(server.requests) == 3


def test_the_limiter_turns_a_money_move_away_and_later_calls_stay_here() -> None:
    limited = reply(b"{}", status=429, headers={"Retry-After": "7"})
    with raw_server(limited) as server, transport_to(server.url) as transport:
        with pytest.raises(ThrottledError) as caught:
            transport.call(MONEY, ordered)
        with pytest.raises(ThrottledError) as kept_back:
            transport.call(MONEY, ordered)
        assert caught.value.retry_after_seconds == 7
        assert kept_back.value.retry_after_seconds in {6, 7}
        assert len(server.requests) == 1


def test_a_ban_is_not_hammered() -> None:
    with raw_server(reply(b"{}", status=418)) as server, transport_to(server.url) as transport:
        for _ in range(3):
            with pytest.raises(ThrottledError):
                transport.call(READ, ordered)
        assert len(server.requests) == 1


def test_a_used_up_budget_pauses_the_group_before_its_next_call() -> None:
    used_up = reply(b"{}", headers={"left": "0"})
    with raw_server(used_up) as server:
        budget = RateBudget(monotonic=lambda: 100.0)
        transport = VenueTransport(
            PlainDialect(), HttpSender(server.url), clock=utc_now, budget=budget
        )
        transport.call(MONEY, ordered)
        transport.close()
        assert budget.seconds_held(MONEY.operation) == 1.0
        assert budget.seconds_held(READ.operation) == 0  # not known to share the group


def test_a_money_move_does_not_ride_on_a_connection_idle_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with raw_server(reply(b"{}")) as server, transport_to(server.url) as transport:
        transport.call(READ, ordered)
        transport.call(MONEY, ordered)
        assert server.connections == 1
        monkeypatch.setattr("exchanges.transport.http.IDLE_SECONDS", -1)
        transport.call(READ, ordered)
        assert server.connections == 1
        transport.call(MONEY, ordered)
        assert server.connections == 2


def test_proxies_of_the_environment_have_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{unused_port()}")
    with raw_server(reply(b'{"a": 1}')) as server, transport_to(server.url) as transport:
        assert transport.call(READ, ordered) == {"a": Decimal(1)}
        assert len(server.requests) == 1


def test_errors_name_venue_and_operation_only() -> None:
    secret = Request(
        operation="place_order", method="POST", path="/v1/hush?signature=hush", moves_money=True
    )
    for behaviour in (reset, truncate, reply(b'{"hush": 1}', status=500), reply(b"hush")):
        with (
            raw_server(behaviour) as server,
            transport_to(server.url) as transport,
            pytest.raises(VenueError) as caught,
        ):
            transport.call(secret, ordered)
        assert_hushed(caught.value)
        assert (caught.value.venue, caught.value.operation) == ("test", "place_order")


def test_an_error_without_a_connection_does_not_tell_the_url_either() -> None:
    secret = Request(operation="order", method="GET", path="/v1/hush?signature=hush")
    url = f"http://127.0.0.1:{unused_port()}"
    with transport_to(url) as transport, pytest.raises(NotSentError) as caught:
        transport.call(secret, ordered)
    assert_hushed(caught.value)


def assert_hushed(error: BaseException) -> None:
    """Logs and traces may print the whole chain of an exception."""
    link: BaseException | None = error
    while link is not None:
        assert "hush" not in repr(link)
        link = link.__cause__ or link.__context__


def test_the_deadline_covers_all_tries_of_a_read() -> None:
    with (
        raw_server(hang) as server,
        transport_to(server.url, deadline_seconds=0.6) as transport,
    ):
        with pytest.raises(OutcomeUnknownError):
            transport.call(READ, ordered)
        assert len(server.requests) == 2  # half of the deadline each, then it is over


def test_a_money_move_is_not_sent_past_its_instant() -> None:
    """A worker that slept past its lease wakes up and must not send any more."""
    late = replace(MONEY, send_before=utc_now())
    early = replace(MONEY, send_before=utc_now() + timedelta(minutes=1))
    with raw_server(reply(b"{}")) as server, transport_to(server.url) as transport:
        with pytest.raises(NotSentError):
            transport.call(late, ordered)
        assert server.requests == []
        transport.call(early, ordered)
        assert len(server.requests) == 1
