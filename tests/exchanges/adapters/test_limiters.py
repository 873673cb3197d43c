"""What the adapters make of the venues' limiters: headers, bans, and limits that the venues tell."""

from __future__ import annotations

import json

import pytest

from exchanges.errors import RefusedError, ThrottledError, VenueError
from tests.exchanges.adapters.asking import (
    NOW,
    XRP_KRW,
    XRP_USDT,
    Make,
    allowing_or,
    binance_error,
    global_venue,
    order_request,
    upbit,
    withdrawal_request,
)
from tests.exchanges.raw_server import Behaviour, raw_server, reply, serving


def test_a_wallet_route_that_is_used_up_holds_no_orders_back() -> None:
    used_up = reply(b'{"code":-1003,"msg":""}', status=429, headers={"Retry-After": "60"})
    with raw_server(used_up, binance_error(-2010, "insufficient balance")) as server:
        venue = global_venue(server)
        with pytest.raises(ThrottledError):
            venue.withdrawals("XRP", since=NOW)
        with pytest.raises(ThrottledError):
            venue.withdrawals("XRP", since=NOW)
        with pytest.raises(RefusedError):
            venue.place_order(order_request(XRP_USDT))
        venue.close()
        assert len(server.requests) == 2


def refused(headers: dict[str, str]) -> Behaviour:
    body = b'{"error":{"name":"insufficient_funds_bid"},"code":-2010,"msg":""}'
    return reply(body, status=400, headers=headers)


@pytest.mark.parametrize(
    ("make", "headers"),
    [
        (upbit, {"Remaining-Req": "group=order; min=1800; sec=0"}),
        (global_venue, {"X-MBX-ORDER-COUNT-10S": "50"}),
        (global_venue, {"X-MBX-USED-WEIGHT-1M": "6000"}),
    ],
)
def test_a_limit_that_is_used_up_makes_the_next_order_wait(
    make: Make, headers: dict[str, str]
) -> None:
    with raw_server(refused(headers)) as server:
        venue = make(server)
        with pytest.raises(RefusedError):
            venue.place_order(order_request(XRP_KRW))
        assert venue._transport._budget.seconds_held("place_order") > 0
        venue.close()


def test_weight_that_is_nearly_used_up_is_left_to_orders() -> None:
    """Somebody else uses the address: 5,500 of 6,000 leave our polling nothing, orders go."""
    with raw_server(refused({"X-MBX-USED-WEIGHT-1M": "5500"})) as server:
        venue = global_venue(server)
        with pytest.raises(RefusedError):
            venue.place_order(order_request(XRP_USDT))
        with pytest.raises(ThrottledError):
            venue.balances()
        with pytest.raises(RefusedError):
            venue.place_order(order_request(XRP_USDT))
        venue.close()
        assert len(server.requests) == 2


def test_too_many_orders_hold_orders_and_no_reads() -> None:
    many = reply(b'{"code":-1015,"msg":""}', status=429, headers={"Retry-After": "10"})
    with raw_server(many, binance_error(-2013)) as server:
        venue = global_venue(server)
        for _ in range(2):
            with pytest.raises(ThrottledError):
                venue.place_order(order_request(XRP_USDT))
        assert venue.order(XRP_USDT, client_order_id="k123") is None
        venue.close()
        assert len(server.requests) == 2


def test_a_ban_of_upbit_lasts_as_long_as_its_message_says() -> None:
    told = {"error": {"name": "too_many_requests", "message": "187초 동안 요청이 차단되었습니다."}}
    banned = reply(json.dumps(told, ensure_ascii=False).encode(), status=418)
    with raw_server(banned) as server:
        venue = upbit(server)
        with pytest.raises(ThrottledError):
            venue.balances()
        with pytest.raises(ThrottledError) as caught:
            venue.place_order(order_request(XRP_KRW))
        venue.close()
        assert caught.value.retry_after_seconds in {186, 187}
        assert len(server.requests) == 1


def test_binance_tells_the_limits_that_are_in_force() -> None:
    told = b'[{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":2,"count":0}]'
    with raw_server(reply(told), refused({})) as server:
        venue = global_venue(server)
        venue.learn_limits()
        for _ in range(2):
            with pytest.raises(RefusedError):
                venue.place_order(order_request(XRP_USDT))
        with pytest.raises(ThrottledError):
            venue.place_order(order_request(XRP_USDT))
        venue.close()
        assert len(server.requests) == 3


BANNED = reply(b'{"code":-1003,"msg":""}', status=418, headers={"Retry-After": "120"})
WALLED_OFF = reply(b"<html>", status=403, content_type="text/html")
SLOW_DOWN = reply(b'{"code":-1003,"msg":""}', status=429, headers={"Retry-After": "120"})


@pytest.mark.parametrize("ban", [BANNED, WALLED_OFF], ids=["banned", "walled off"])
def test_a_ban_that_a_withdrawal_meets_stops_what_is_counted_by_address_too(ban: Behaviour) -> None:
    """A withdrawal draws on the account only, but a ban is the address's as well, and calls lengthen it."""
    with serving(lambda number, request: allowing_or(ban, request)) as server:
        venue = global_venue(server)
        with pytest.raises(VenueError):
            venue.withdraw(withdrawal_request())
        asked = len(server.requests)
        with pytest.raises(ThrottledError):
            venue.book(XRP_USDT)
        venue.close()
        assert len(server.requests) == asked


def test_a_ban_that_a_read_of_a_book_meets_stops_orders_at_upbit_too() -> None:
    with raw_server(BANNED) as server:
        venue = upbit(server)
        with pytest.raises(ThrottledError):
            venue.book(XRP_KRW)
        with pytest.raises(ThrottledError):
            venue.place_order(order_request(XRP_KRW))
        venue.close()
        assert len(server.requests) == 1


def test_a_withdrawal_that_is_turned_away_stops_no_reads() -> None:
    with serving(lambda number, request: allowing_or(SLOW_DOWN, request)) as server:
        venue = global_venue(server)
        with pytest.raises(ThrottledError):
            venue.withdraw(withdrawal_request())
        budget = venue._transport._budget
        venue.close()
    assert budget.seconds_held("withdraw") > 0
    assert budget.seconds_held("book") == 0
