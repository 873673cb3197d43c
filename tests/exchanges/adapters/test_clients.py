"""The adapters over real sockets: what they send, what they make of answers, what they never tell."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
import structlog

from exchanges.adapters.rates.client import frankfurter, open_er_api
from exchanges.errors import OutcomeUnknownError, RefusalReason, RefusedError
from exchanges.metrics import VENUE_CALLS
from exchanges.values import Market, OrderStatus
from tests.exchanges.adapters.asking import (
    NOW,
    VENUES,
    XRP_KRW,
    XRP_USDT,
    Make,
    allowing_or,
    binance_error,
    bithumb,
    bithumb_refusal,
    error_reply,
    global_venue,
    order_request,
    upbit,
    withdrawal_request,
)
from tests.exchanges.payloads import binance, upbit_private
from tests.exchanges.raw_server import Behaviour, raw_server, reply, reset, serving


def test_upbit_gives_none_for_an_order_it_does_not_know() -> None:
    with raw_server(error_reply("notfound")) as server:
        venue = upbit(server)
        assert venue.order(XRP_KRW, client_order_id="k123") is None
        venue.close()
        assert b"GET /v1/order?identifier=k123 HTTP/1.1" in server.requests[0]


def test_binance_gives_none_for_an_order_it_does_not_know() -> None:
    with raw_server(binance_error(-2013, "Order does not exist.")) as server:
        venue = global_venue(server)
        assert venue.order(XRP_USDT, client_order_id="k123") is None
        venue.close()
        assert b"origClientOrderId=k123" in server.requests[0]


def test_binance_reads_the_trades_of_an_order_that_executed() -> None:
    order = {
        "symbol": "XRPUSDT",
        "orderId": 9,
        "clientOrderId": "k123",
        "status": "EXPIRED",
        "side": "BUY",
        "origQty": "20",
        "executedQty": "12.00000000",
        "time": 1499865549000,
    }
    trades = binance("spot", "my_trades", orderId=9)
    with raw_server(reply(json.dumps(order).encode()), reply(trades)) as server:
        venue = global_venue(server)
        report = venue.order(XRP_USDT, client_order_id="k123")
        venue.close()
    assert report is not None
    assert (report.status, report.is_final) == (OrderStatus.CLOSED, True)
    assert report.fills[0].notional == Decimal("48.000012")


@pytest.mark.parametrize(
    ("make", "market", "behaviour"),
    [
        (upbit, XRP_KRW, error_reply("notfound")),
        (bithumb, XRP_KRW, bithumb_refusal("notfound")),
        (global_venue, XRP_USDT, binance_error(-2011, "Unknown order sent.")),
    ],
)
def test_cancelling_what_is_gone_already_is_no_error(
    make: Make, market: Market, behaviour: Behaviour
) -> None:
    with raw_server(behaviour) as server:
        venue = make(server)
        venue.cancel_order(market, client_order_id="k123")
        venue.close()
        assert server.requests[0].startswith(b"DELETE ")


@VENUES
def test_a_lost_reply_to_an_order_or_withdrawal_or_cancel_is_unknown_and_sent_once(
    make: Make, market: Market
) -> None:
    calls: tuple[Callable[[Any], object], ...] = (
        lambda venue: venue.place_order(order_request(market)),
        lambda venue: venue.withdraw(withdrawal_request()),
        lambda venue: venue.cancel_order(market, client_order_id="k123"),
    )
    for call in calls:
        with serving(lambda number, request: allowing_or(reset, request)) as server:
            venue = make(server)
            with pytest.raises(OutcomeUnknownError):
                call(venue)
            venue.close()
            assert len([row for row in server.requests if not row.startswith(b"GET ")]) == 1


@pytest.mark.parametrize(
    ("make", "market", "behaviour"),
    [
        (upbit, XRP_KRW, error_reply("dup_identifier_UNVERIFIED_NAME")),
        (bithumb, XRP_KRW, bithumb_refusal("duplicate_UNVERIFIED_NAME")),
        (global_venue, XRP_USDT, binance_error(-2010, "Duplicate order sent.")),
    ],
)
def test_a_known_client_id_is_refused_as_duplicate(
    make: Make, market: Market, behaviour: Behaviour
) -> None:
    with raw_server(behaviour) as server:
        venue = make(server)
        with pytest.raises(RefusedError) as caught:
            venue.place_order(order_request(market))
        venue.close()
    assert caught.value.reason is RefusalReason.DUPLICATE


def test_an_upbit_address_not_made_yet_is_asked_for_and_none() -> None:
    missing = reply(b'{"error":{"name":"coin_address_not_found"}}', status=404)
    with raw_server(missing, reply(b'{"success":true,"message":"later"}', status=201)) as server:
        venue = upbit(server)
        assert venue.deposit_address("XRP", network="XRP") is None
        venue.close()
        assert b"POST /v1/deposits/generate_coin_address" in server.requests[1]


def test_upbit_pages_go_back_to_the_instant_asked_for() -> None:
    row = json.loads(upbit_private("GET /v1/withdraw done"))
    full = [{**row, "uuid": str(number)} for number in range(100)]
    old = {**row, "uuid": "old", "created_at": "2026-11-19T15:40:00+09:00"}
    pages = [reply(json.dumps(full).encode()), reply(json.dumps([row, old]).encode())]
    with raw_server(*pages) as server:
        venue = upbit(server)
        since = datetime(2026, 11, 20, 6, 40, 0, 500000, tzinfo=UTC)  # the row says 06:40:00
        found = venue.withdrawals("XRP", since=since)
        venue.close()
        assert len(server.requests) == 2
    assert len(found) == 101


def test_binance_history_starts_at_the_whole_second() -> None:
    history = reply(binance("wallet", "withdraw_history"))
    with serving(lambda number, request: allowing_or(history, request)) as server:
        venue = global_venue(server)
        since = datetime(2026, 11, 20, 6, 0, 0, 999999, tzinfo=UTC)
        assert len(venue.withdrawals("USDT", since=since)) == 1
        venue.close()
        assert b"startTime=1795154400000&" in server.requests[1]


def test_upbits_clock_is_the_date_header() -> None:
    body = upbit_private("GET /v1/orderbook/instruments")
    dated = reply(body, headers={"Date": "Fri, 20 Nov 2026 07:00:01 GMT"})
    with raw_server(dated) as server:
        venue = upbit(server)
        assert venue.server_time() == datetime(2026, 11, 20, 7, 0, 1, tzinfo=UTC)
        venue.close()


@VENUES
def test_keys_signatures_and_addresses_reach_neither_logs_nor_errors(
    make: Make, market: Market, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    refusal = reply(
        b'{"error":{"name":"insufficient_funds_bid"},"code":-2010,"msg":""}', status=400
    )
    told = []
    with (
        structlog.testing.capture_logs() as lines,
        serving(
            lambda number, request: allowing_or(reset if number else refusal, request)
        ) as server,
    ):
        venue = make(server)
        for call in (venue.place_order, venue.withdraw):
            request: Any = (
                order_request(market) if call == venue.place_order else withdrawal_request()
            )
            with pytest.raises((RefusedError, OutcomeUnknownError)) as caught:
                call(request)
            told.append(repr(caught.value) + str(caught.value.__cause__))
        with pytest.raises(OutcomeUnknownError):
            venue.balances()
        venue.close()
        sent = b"".join(server.requests).decode()
    text = caplog.text + json.dumps(lines, default=str) + "".join(told)
    assert len(lines) == len(server.requests)
    for hush in ("hush", "Hush", "signature=", "Bearer", "rAddress", "GILDONG"):
        assert hush not in text
    assert "access-hush-hush" in sent or "Bearer" in sent  # they did go out


def test_a_call_is_logged_with_its_facts_and_counted() -> None:
    labels = {"venue": "binance", "operation": "server_time", "outcome": "done"}
    before = VENUE_CALLS.labels(**labels)._value.get()
    with (
        structlog.testing.capture_logs() as lines,
        raw_server(reply(binance("spot", "time"))) as server,
    ):
        venue = global_venue(server)
        venue.server_time()
        venue.close()
    (line,) = lines
    assert line["event"] == "venue_call"
    assert (line["venue"], line["operation"], line["outcome"]) == tuple(labels.values())
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v3/time", 200)
    assert isinstance(line["duration_ms"], int)
    assert VENUE_CALLS.labels(**labels)._value.get() == before + 1


@pytest.mark.parametrize(
    ("body", "rate", "at"),
    [
        (
            b'{"amount":1.0,"base":"USD","date":"2026-11-19","rates":{"KRW":1399.53}}',
            "1399.53",
            datetime(2026, 11, 19, 15, tzinfo=UTC),
        ),
        (
            (
                b'{"base":"USD","quote":"KRW","rate":"1399.5","source":"ECB (recorded)",'
                b'"quoted_at":"2026-11-20T06:00:00+00:00","date":"2026-11-20"}'
            ),
            "1399.5",
            datetime(2026, 11, 20, 6, tzinfo=UTC),
        ),
    ],
)
def test_frankfurters_rate_is_exact_and_carries_its_own_instant(
    body: bytes, rate: str, at: datetime
) -> None:
    with raw_server(reply(body)) as server:
        source = frankfurter(f"{server.url}/v1/latest?base=USD&symbols=KRW", clock=lambda: NOW)
        quote = source.usd_krw()
        source.close()
        assert b"GET /v1/latest?base=USD&symbols=KRW " in server.requests[0]
    assert (quote.source, str(quote.krw_per_usd)) == ("frankfurter", rate)
    assert (quote.quoted_at, quote.fetched_at) == (at, NOW)


def test_open_er_apis_rate_carries_its_own_instant() -> None:
    body = (
        b'{"result":"success","base_code":"USD","time_last_update_unix":1795132801,'
        b'"rates":{"USD":1,"KRW":1399.123456}}'
    )
    with raw_server(reply(body)) as server:
        source = open_er_api(f"{server.url}/v6/latest/USD", clock=lambda: NOW)
        quote = source.usd_krw()
        source.close()
    assert str(quote.krw_per_usd) == "1399.123456"
    assert quote.quoted_at == datetime(2026, 11, 20, 0, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        b'{"base":"USD","date":"2026-11-19","rates":{}}',
        b'{"base":"EUR","date":"2026-11-19","rates":{"KRW":1600}}',
        b'{"base":"USD","rates":{"KRW":1399}}',
        b'{"base":"USD","date":"2026-11-19","rates":{"KRW":0}}',
        b'{"base":"USD","date":"2026-11-19","rates":{"KRW":"NaN"}}',
    ],
)
def test_there_is_no_fallback_for_a_rate_that_is_missing(body: bytes) -> None:
    """The origin used a constant rate where none could be read."""
    with raw_server(reply(body)) as server:
        source = frankfurter(server.url, clock=lambda: NOW)
        with pytest.raises(OutcomeUnknownError):
            source.usd_krw()
        source.close()
