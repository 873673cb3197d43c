"""What is asked of a whole account at once: pages, rows nobody understands, many orders in few calls."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exchanges.errors import OutcomeUnknownError
from exchanges.values import Market, OrderKey
from tests.exchanges.adapters.asking import NOW, bithumb, global_venue, upbit
from tests.exchanges.payloads import binance, bithumb_private, upbit_private
from tests.exchanges.raw_server import raw_server, reply

HOUR = timedelta(hours=1)
NOW_MS = int(NOW.timestamp()) * 1000
XRP_KRW = Market("XRP", "KRW")


def _binance_rows(name: str, **changes: Any) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(binance("wallet", name))[0]
    at = {"applyTime": "2026-11-20 06:00:00"} if "applyTime" in row else {"insertTime": NOW_MS}
    return {**row, **at, **changes}


ROWS: dict[str, tuple[Callable[..., Any], str, dict[str, Any], str]] = {
    "upbit withdrawals": (
        upbit, "all_withdrawals", json.loads(upbit_private("GET /v1/withdraw done")), "currency",
    ),
    "upbit deposits": (
        upbit, "all_deposits", json.loads(upbit_private("GET /v1/deposits")), "currency",
    ),
    "bithumb withdrawals": (
        bithumb, "all_withdrawals", json.loads(bithumb_private("GET /v1/withdraw done")), "currency",
    ),
    "bithumb deposits": (
        bithumb, "all_deposits", json.loads(bithumb_private("GET /v1/deposits")), "currency",
    ),
    "binance withdrawals": (
        global_venue, "all_withdrawals", _binance_rows("withdraw_history"), "coin",
    ),
    "binance deposits": (
        global_venue, "all_deposits", _binance_rows("deposit_history"), "coin",
    ),
}  # fmt: skip
NO_QUESTIONNAIRE = reply(b'{"questionnaireCountryCode":"NIL"}')
LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("kind", ROWS)
def test_a_row_in_words_we_do_not_know_hides_its_own_asset_and_no_other(kind: str) -> None:
    make, method, row, asset = ROWS[kind]
    state = "status" if asset == "coin" else "state"
    odd = {**row, asset: "ODD", state: 42 if asset == "coin" else "SOMETHING_NEW"}
    rows = json.dumps([odd, {**row, asset: "XRP"}]).encode()
    with raw_server(reply(rows), NO_QUESTIONNAIRE) as server:
        venue = make(server)
        listed = getattr(venue, method)(since=LONG_AGO)
        venue.close()
    assert [one.asset for one in listed.rows] == ["XRP"]
    assert listed.unreadable == {"ODD"}


@pytest.mark.parametrize("quantity", ["100000000000000000000", "1e25"])
@pytest.mark.parametrize("kind", ROWS)
def test_a_quantity_that_no_column_holds_hides_its_own_asset_and_no_other(
    kind: str, quantity: str
) -> None:
    """Written down with the others it would keep them all from being written, for as long as it is listed."""
    make, method, row, asset = ROWS[kind]
    odd = {**row, asset: "SPAM", "amount": quantity}
    rows = json.dumps([odd, {**row, asset: "XRP"}]).encode()
    with raw_server(reply(rows), NO_QUESTIONNAIRE) as server:
        venue = make(server)
        listed = getattr(venue, method)(since=LONG_AGO)
        venue.close()
    assert listed.unreadable == {"SPAM"}
    assert [one.asset for one in listed.rows] == ["XRP"]


@pytest.mark.parametrize("kind", ["upbit deposits", "bithumb deposits"])
def test_deposits_without_an_id_are_not_taken_for_one(kind: str) -> None:
    make, method, row, asset = ROWS[kind]
    rows = json.dumps([{**row, "uuid": ""}, {**row, "uuid": "", "amount": "1"}]).encode()
    with raw_server(reply(rows)) as server:
        venue = make(server)
        listed = getattr(venue, method)(since=LONG_AGO)
        venue.close()
    assert listed.unreadable == {row[asset]}


@pytest.mark.parametrize("kind", ROWS)
def test_a_row_that_does_not_name_its_asset_makes_the_whole_list_unknown(kind: str) -> None:
    make, method, row, asset = ROWS[kind]
    nameless = {name: value for name, value in row.items() if name != asset}
    body = reply(json.dumps([nameless]).encode())
    with raw_server(body, body, body) as server:
        venue = make(server)
        with pytest.raises(OutcomeUnknownError):
            getattr(venue, method)(since=LONG_AGO)
        venue.close()


def test_korean_pages_of_all_assets_go_back_to_the_instant_asked_for() -> None:
    row = json.loads(upbit_private("GET /v1/withdraw done"))
    full = [{**row, "uuid": str(number)} for number in range(100)]
    old = {**row, "uuid": "old", "created_at": "2026-11-19T15:40:00+09:00"}
    pages = [reply(json.dumps(full).encode()), reply(json.dumps([row, old]).encode())]
    with raw_server(*pages) as server:
        venue = upbit(server)
        listed = venue.all_withdrawals(since=datetime(2026, 11, 20, 6, 40, 0, 500000, tzinfo=UTC))
        venue.close()
        assert b"currency=" not in server.requests[0]
        assert b"page=2&" in server.requests[1]
    assert (len(listed.rows), listed.calls) == (101, 2)
    assert listed.since == datetime(2026, 11, 20, 6, 40, tzinfo=UTC)


def test_binance_pages_of_all_coins_go_on_by_offset() -> None:
    full = [_binance_rows("withdraw_history", id=str(number)) for number in range(1000)]
    rest = [_binance_rows("withdraw_history", id="last")]
    pages = [reply(json.dumps(rows).encode()) for rows in (full, rest)]
    with raw_server(*pages, NO_QUESTIONNAIRE) as server:
        venue = global_venue(server)
        listed = venue.all_withdrawals(since=LONG_AGO)
        venue.close()
        assert b"coin=" not in server.requests[0]
        assert b"offset" not in server.requests[0]
        assert b"offset=1000&" in server.requests[1]
    assert (len(listed.rows), listed.calls) == (1001, 2)


def test_a_list_that_ends_before_the_instant_says_how_far_it_reaches() -> None:
    """A venue shows so many rows and no more: what lies beyond is not there, and not absent either."""
    first = datetime(2026, 11, 20, 6, 40, tzinfo=UTC)
    row = json.loads(upbit_private("GET /v1/withdraw done"))

    def page(number: int) -> bytes:
        at = first - timedelta(seconds=number)
        return json.dumps([{**row, "created_at": at.isoformat()}] * 100).encode()

    with raw_server(*(reply(page(number)) for number in range(30))) as server:
        venue = upbit(server)
        listed = venue.all_withdrawals(since=LONG_AGO)
        venue.close()
        assert len(server.requests) == 30
    assert listed.since == first - timedelta(seconds=29)


@pytest.mark.parametrize("make", [upbit, bithumb])
def test_orders_are_asked_for_by_our_ids_a_hundred_a_call(make: Callable[..., Any]) -> None:
    keys = [OrderKey(market=XRP_KRW, client_order_id=f"k{number}") for number in range(150)]
    with raw_server(reply(b"[]"), reply(b"[]")) as server:
        venue = make(server)
        assert venue.orders(keys, since=NOW - HOUR) == []
        venue.close()
        assert len(server.requests) == 2
        assert [request.count(b"%5B%5D=k") for request in server.requests] == [100, 50]


def test_binances_orders_are_asked_for_once_a_market_from_the_first_on() -> None:
    markets = [Market("XRP", "USDT"), Market("SOL", "USDT")]
    keys = [OrderKey(market=markets[n % 2], client_order_id=f"k{n}") for n in range(10)]
    with raw_server(reply(b"[]"), reply(b"[]")) as server:
        venue = global_venue(server)
        assert venue.orders(keys, since=NOW - HOUR) == []
        venue.close()
        assert len(server.requests) == 2
        assert b"symbol=SOLUSDT&" in server.requests[0]
        assert b"symbol=XRPUSDT&" in server.requests[1]


def test_an_order_in_words_we_do_not_know_is_left_out_of_a_list_and_hides_no_other() -> None:
    row = json.loads(upbit_private("GET /v1/order done"))
    rows = [{**row, "state": "something_new", "identifier": "odd"}, {**row, "identifier": "kimp-1"}]
    keys = [OrderKey(market=XRP_KRW, client_order_id=one) for one in ("odd", "kimp-1")]
    with raw_server(reply(json.dumps(rows).encode())) as server:
        venue = upbit(server)
        found = venue.orders(keys, since=NOW - HOUR)
        venue.close()
    assert [one.client_order_id for one in found] == ["kimp-1"]
