"""Replies whose bytes are no text, or nested without end: nothing of them is believed, and nothing breaks."""

from __future__ import annotations

import json

import pytest

from exchanges.errors import OutcomeUnknownError, RefusedError, ThrottledError
from exchanges.values import Market, OrderKey
from tests.exchanges.adapters.asking import (
    NOW,
    VENUES,
    XRP_KRW,
    XRP_USDT,
    Make,
    allowing_or,
    global_venue,
    order_request,
    upbit,
    withdrawal_request,
)
from tests.exchanges.adapters.test_whole_account import HOUR, LONG_AGO, NO_QUESTIONNAIRE, ROWS
from tests.exchanges.payloads import upbit_error, upbit_private
from tests.exchanges.raw_server import raw_server, reply, serving

NO_TEXT = b'{"code":-2010,"msg":"\xff","symbol":"\xff","uuid":"\xff","error":{"name":"\xff"}}'
NO_END = b'{"x":' + b"[" * 100_000
SPOILT = pytest.mark.parametrize("body", [NO_TEXT, NO_END], ids=["no text", "no end"])


@SPOILT
@pytest.mark.parametrize("status", [200, 400, 500])
@VENUES
def test_an_order_whose_answer_cannot_be_read_is_unknown_and_sent_once(
    make: Make, market: Market, status: int, body: bytes
) -> None:
    with raw_server(reply(body, status=status)) as server:
        venue = make(server)
        with pytest.raises(OutcomeUnknownError):
            venue.place_order(order_request(market))
        venue.close()
        assert len(server.requests) == 1


@SPOILT
@pytest.mark.parametrize("status", [200, 400])
@VENUES
def test_a_withdrawal_whose_answer_cannot_be_read_is_unknown_and_sent_once(
    make: Make, market: Market, status: int, body: bytes
) -> None:
    spoilt = reply(body, status=status)
    with serving(lambda number, request: allowing_or(spoilt, request)) as server:
        venue = make(server)
        with pytest.raises(OutcomeUnknownError):
            venue.withdraw(withdrawal_request())
        venue.close()
        assert len([row for row in server.requests if row.startswith(b"POST ")]) == 1


@SPOILT
@VENUES
def test_an_order_that_is_turned_away_in_words_that_cannot_be_read_is_turned_away(
    make: Make, market: Market, body: bytes
) -> None:
    with raw_server(reply(body, status=429)) as server:
        venue = make(server)
        with pytest.raises(ThrottledError):
            venue.place_order(order_request(market))
        venue.close()


def test_a_date_that_no_calendar_has_does_not_spoil_the_answer_to_an_order() -> None:
    status, body = upbit_error("insufficient")
    date = {"Date": "Mon, 01 Jan 99999999999999 00:00:00 GMT"}
    with raw_server(reply(body, status=status, headers=date)) as server:
        venue = upbit(server)
        with pytest.raises(RefusedError):
            venue.place_order(order_request(XRP_KRW))
        venue.close()


@pytest.mark.parametrize("kind", ROWS)
def test_a_transfer_that_is_no_text_hides_its_own_asset_and_no_other(kind: str) -> None:
    make, method, row, asset = ROWS[kind]
    txid = "txId" if asset == "coin" else "txid"
    rows = json.dumps([{**row, asset: "ODD", txid: "SPOILT"}, {**row, asset: "XRP"}]).encode()
    with raw_server(reply(rows.replace(b"SPOILT", b"\xff")), NO_QUESTIONNAIRE) as server:
        venue = make(server)
        listed = getattr(venue, method)(since=LONG_AGO)
        venue.close()
    assert [one.asset for one in listed.rows] == ["XRP"]
    assert listed.unreadable == {"ODD"}


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00+09:00", "9999-12-31T23:59:59-09:00"])
@pytest.mark.parametrize("kind", [kind for kind in ROWS if kind != "binance deposits"])
def test_a_transfer_of_no_instant_that_can_be_hides_no_other(kind: str, at: str) -> None:
    make, method, row, asset = ROWS[kind]
    odd = {**row, asset: "ODD", "applyTime" if asset == "coin" else "created_at": at}
    rows = json.dumps([odd, {**row, asset: "XRP"}]).encode()
    with raw_server(reply(rows), NO_QUESTIONNAIRE) as server:
        venue = make(server)
        listed = getattr(venue, method)(since=LONG_AGO)
        venue.close()
    found = {one.asset: one.created_at is None for one in listed.rows}
    assert found == {"ODD": True, "XRP": False}


def test_an_order_that_is_no_text_is_left_out_of_a_list_and_hides_no_other() -> None:
    row = json.loads(upbit_private("GET /v1/order done"))
    rows = json.dumps([{**row, "identifier": "SPOILT"}, {**row, "identifier": "kimp-1"}]).encode()
    with raw_server(reply(rows.replace(b"SPOILT", b"\xff"))) as server:
        venue = upbit(server)
        keys = [OrderKey(market=XRP_KRW, client_order_id="kimp-1")]
        found = venue.orders(keys, since=NOW - HOUR)
        venue.close()
    assert [one.client_order_id for one in found] == ["kimp-1"]


def test_an_order_of_binance_that_is_no_text_is_left_out_of_a_list_and_hides_no_other() -> None:
    row = {"symbol": "XRPUSDT", "orderId": 9, "status": "NEW", "side": "BUY", "origQty": "20"}
    ids = [{**row, "clientOrderId": one} for one in ("SPOILT", "kimp-1")]
    with raw_server(reply(json.dumps(ids).encode().replace(b"SPOILT", b"\xff"))) as server:
        venue = global_venue(server)
        keys = [OrderKey(market=XRP_USDT, client_order_id="kimp-1")]
        found = venue.orders(keys, since=NOW - HOUR)
        venue.close()
    assert [one.client_order_id for one in found] == ["kimp-1"]
