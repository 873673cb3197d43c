"""What only Bithumb does: orders taken before they are answered for, withdrawals that name who receives."""

from __future__ import annotations

import json
from typing import Any

import pytest

from exchanges.errors import NotSentError, OutcomeUnknownError, RefusalReason, RefusedError
from exchanges.values import OrderStatus
from tests.exchanges.adapters.asking import (
    XRP_KRW,
    allow_list,
    bithumb,
    bithumb_refusal,
    order_request,
    withdrawal_request,
)
from tests.exchanges.payloads import bithumb_private
from tests.exchanges.raw_server import raw_server, reply, reset


def test_bithumb_gives_none_for_an_order_it_does_not_know_and_asks_by_our_id_alone() -> None:
    """Beside ours a `uuid` would win, even an empty one."""
    with raw_server(bithumb_refusal("notfound")) as server:
        venue = bithumb(server)
        assert venue.order(XRP_KRW, client_order_id="k123") is None
        venue.close()
        assert b"GET /v1/order?client_order_id=k123 HTTP/1.1" in server.requests[0]


def test_an_order_that_is_not_ready_is_read_again() -> None:
    done = reply(bithumb_private("GET /v1/order done", client_order_id="k123"))
    with raw_server(bithumb_refusal("not_ready"), bithumb_refusal("not_ready"), done) as server:
        venue = bithumb(server)
        report = venue.order(XRP_KRW, client_order_id="k123")
        venue.close()
        assert len(server.requests) == 3
    assert report is not None
    assert report.is_final


def test_an_order_that_stays_not_ready_is_unknown_and_never_absent() -> None:
    """None would let the desk believe, in the end, that it was never taken."""
    with raw_server(bithumb_refusal("not_ready")) as server:
        venue = bithumb(server)
        with pytest.raises(OutcomeUnknownError):
            venue.order(XRP_KRW, client_order_id="k123")
        with pytest.raises(OutcomeUnknownError):
            venue.cancel_order(XRP_KRW, client_order_id="k123")
        venue.close()
        assert [row for row in server.requests if row.startswith(b"DELETE ")] == server.requests[
            -1:
        ]


def test_a_new_bithumb_order_is_open_whatever_became_of_it() -> None:
    taken = bithumb_private("POST /v2/orders (201)", market="KRW-XRP", client_order_id="k123")
    with raw_server(reply(taken, status=201)) as server:
        venue = bithumb(server)
        report = venue.place_order(order_request(XRP_KRW))
        venue.close()
        assert json.loads(server.bodies()[0])["client_order_id"] == "k123"
    assert (report.status, report.fills, report.is_final) == (OrderStatus.OPEN, (), False)
    assert report.venue_order_id == "C0101000000001799653"


def test_a_bithumb_withdrawal_names_the_receiver_as_the_venues_own_list_does() -> None:
    sent = reply(bithumb_private("POST /v1/withdraws/coin (201)"), status=201)
    with raw_server(allow_list(owner_type="personal"), sent) as server:
        venue = bithumb(server)
        report = venue.withdraw(withdrawal_request())
        venue.close()
        body = json.loads(server.bodies()[1])
    assert report.venue_withdrawal_id == "9000000012"
    assert body == {
        "currency": "XRP",
        "net_type": "XRP",
        "amount": "100",
        "address": "rAddressHush",
        "secondary_address": "7",
        "exchange_name": "BINANCE",
        "receiver_type": "personal",
        "receiver_ko_name": "홍길동",
        "receiver_en_name": "HONG GILDONG",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"withdraw_address": "rAnother"},
        {"secondary_address": "8"},
        {"secondary_address": None},
        {"net_type": "BSC"},
        {"currency": "BTC"},
    ],
    ids=str,
)
def test_nothing_is_sent_to_an_address_that_bithumb_does_not_list(changes: dict[str, Any]) -> None:
    with raw_server(allow_list(**changes)) as server:
        venue = bithumb(server)
        with pytest.raises(RefusedError) as caught:
            venue.withdraw(withdrawal_request())
        venue.close()
        assert len(server.requests) == 1
    assert (caught.value.reason, caught.value.code) == (RefusalReason.ADDRESS, "not_on_allow_list")


def test_a_withdrawal_whose_allow_list_cannot_be_read_was_not_sent() -> None:
    """Unknown would keep it from ever being tried again: only what was sent can have happened."""
    with raw_server(reset) as server:
        venue = bithumb(server)
        with pytest.raises(NotSentError):
            venue.withdraw(withdrawal_request())
        venue.close()
        assert {row.partition(b" ")[0] for row in server.requests} == {b"GET"}
