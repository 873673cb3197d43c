"""Our orders since an instant: how each venue's list is gone through to its end."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from exchanges.adapters.binance import build as binance_build
from exchanges.errors import OutcomeUnknownError
from tests.exchanges.adapters.asking import NOW, XRP_KRW, XRP_USDT, bithumb, global_venue, upbit
from tests.exchanges.payloads import upbit_private
from tests.exchanges.raw_server import raw_server, reply

DAY = timedelta(days=1)
NOW_MS = int(NOW.timestamp()) * 1000


def korean(name: str, at: datetime, id_field: str = "identifier") -> dict[str, Any]:
    row = json.loads(upbit_private("GET /v1/order done"))
    row.pop("trades", None)
    row.pop("identifier", None)
    return {**row, "uuid": name, id_field: name, "created_at": at.isoformat()}


def abroad(number: int, at_ms: int, **changes: Any) -> dict[str, Any]:
    return {
        "symbol": "XRPUSDT", "orderId": number, "clientOrderId": f"k{number}", "status": "FILLED",
        "side": "BUY", "origQty": "1", "executedQty": "1", "time": at_ms, **changes,
    }  # fmt: skip


def answers(*pages: list[dict[str, Any]]) -> list[Any]:
    return [reply(json.dumps(rows).encode()) for rows in pages]


def test_binance_is_asked_by_days_up_to_the_first_order_and_by_its_number_from_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binance_build, "PAGE", 2)
    first = abroad(7, NOW_MS - 86_400_000)
    pages = answers([], [first], [abroad(8, NOW_MS), abroad(9, NOW_MS)], [])
    with raw_server(*pages) as server:
        venue = global_venue(server)
        found = venue.orders_since([XRP_USDT], since=NOW - 2 * DAY)
        venue.close()
        asked = [request.split(b" ")[1] for request in server.requests]
    assert [one.client_order_id for one in found] == ["k7", "k8", "k9"]
    assert [(b"startTime=" in one, b"orderId=" in one) for one in asked] == [
        (True, False), (True, False), (False, True), (False, True),
    ]  # fmt: skip
    assert b"orderId=8&" in asked[2]
    assert b"orderId=10&" in asked[3]


def executed(number: int) -> dict[str, Any]:
    return {
        "symbol": "XRPUSDT", "id": number, "orderId": 7, "price": "2", "qty": "1", "quoteQty": "2",
        "commission": "0", "commissionAsset": "XRP", "time": NOW_MS,
    }  # fmt: skip


def test_an_order_of_more_executions_than_a_page_shows_is_read_to_its_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By default Binance shows 500, and such an order would never be known to have ended."""
    monkeypatch.setattr(binance_build, "PAGE", 2)
    order = abroad(7, NOW_MS, origQty="3", executedQty="3")
    found = [reply(json.dumps(order).encode())]
    with raw_server(*found, *answers([executed(4), executed(9)], [executed(11)])) as server:
        venue = global_venue(server)
        report = venue.order(XRP_USDT, client_order_id="k7")
        venue.close()
        asked = [request.split(b" ")[1] for request in server.requests]
    assert report is not None
    assert report.is_final
    assert [fill.venue_fill_id for fill in report.fills] == ["4", "9", "11"]
    assert b"fromId" not in asked[1]
    assert b"orderId=7&limit=2&fromId=10&" in asked[2]


def test_upbit_is_asked_for_open_orders_then_for_closed_ones_a_week_at_a_time() -> None:
    since = NOW - 10 * DAY
    pages = answers(
        [korean("resting", since + DAY)], [korean("first", since)], [korean("last", NOW)]
    )
    with raw_server(*pages) as server:
        venue = upbit(server)
        found = venue.orders_since([XRP_KRW], since=since)
        venue.close()
        asked = [request.split(b" ")[1] for request in server.requests]
    assert [one.client_order_id for one in found] == ["resting", "first", "last"]
    assert [one.partition(b"?")[0] for one in asked] == [
        b"/v1/orders/open", b"/v1/orders/closed", b"/v1/orders/closed",
    ]  # fmt: skip


def test_bithumb_is_asked_page_by_page_until_one_begins_before_the_instant() -> None:
    old = korean("old", NOW - 2 * DAY, "client_order_id")
    full = [korean(f"n{number}", NOW, "client_order_id") for number in range(100)]
    with raw_server(*answers(full, [korean("rest", NOW, "client_order_id"), old])) as server:
        venue = bithumb(server)
        found = venue.orders_since([XRP_KRW], since=NOW - DAY)
        venue.close()
    assert len(found) == 101
    assert "old" not in {one.client_order_id for one in found}


@pytest.mark.parametrize(
    ("make", "row"),
    [
        (global_venue, abroad(7, NOW_MS, status="SOMETHING_NEW")),
        (upbit, {**korean("odd", NOW), "state": "something_new"}),
        (bithumb, {**korean("odd", NOW, "client_order_id"), "state": "something_new"}),
    ],
)
def test_an_order_that_nobody_understands_makes_the_list_unknown(
    make: Callable[..., Any], row: dict[str, Any]
) -> None:
    with raw_server(*answers([row], [row], [row])) as server:
        venue = make(server)
        with pytest.raises(OutcomeUnknownError):
            venue.orders_since([XRP_USDT], since=datetime(2026, 11, 20, 6, tzinfo=UTC))
        venue.close()
