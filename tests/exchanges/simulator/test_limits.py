"""Rate limits on wall time: who is throttled, what the headers say, when a ban begins."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exchanges.simulator.speaking import Speaker, new_simulator


@pytest.fixture
def limited() -> Iterator[Speaker]:
    speaker = Speaker(new_simulator(scenario="default"))
    speaker.wait(0.1)
    yield speaker
    assert speaker.simulator.problems() == []


def test_upbit_says_what_is_left_of_the_second(limited: Speaker) -> None:
    reply = limited.upbit("GET", "/v1/accounts")
    assert reply.headers["Remaining-Req"] == "group=default; min=1800; sec=29"


def test_upbit_throttles_the_thirteenth_order_of_a_second(limited: Speaker) -> None:
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "6000"}
    statuses = [limited.upbit("POST", "/v1/orders", **order).status for _ in range(13)]
    assert statuses == [201] * 12 + [429]
    limited.wait(1)
    assert limited.upbit("POST", "/v1/orders", **order).status == 201


def test_upbit_bans_a_caller_that_exceeds_six_seconds_in_a_row(limited: Speaker) -> None:
    for _ in range(6):
        for _ in range(11):
            limited.public("upbit", "/v1/ticker", "markets=KRW-XRP")
        limited.wait(1)
    banned = limited.public("upbit", "/v1/ticker", "markets=KRW-XRP")
    assert banned.status == 418
    limited.wait(60)
    assert limited.public("upbit", "/v1/ticker", "markets=KRW-XRP").status == 200


def test_one_group_of_upbit_does_not_throttle_another(limited: Speaker) -> None:
    for _ in range(11):
        limited.public("upbit", "/v1/ticker", "markets=KRW-XRP")
    assert limited.public("upbit", "/v1/orderbook", "markets=KRW-XRP").status == 200


def test_binance_counts_weight_and_says_when_to_come_back(limited: Speaker) -> None:
    replies = [limited.public("binance", "/api/v3/exchangeInfo") for _ in range(301)]
    assert replies[0].headers["X-MBX-USED-WEIGHT-1M"] == "20"
    assert [reply.status for reply in replies[-2:]] == [200, 429]
    assert replies[-1].body["code"] == -1003
    limited.wait(int(replies[-1].headers["Retry-After"]))
    assert limited.public("binance", "/api/v3/ping").status == 200


def test_binance_allows_fifty_orders_in_ten_seconds(limited: Speaker) -> None:
    order = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "10"}
    replies = [limited.binance("POST", "/api/v3/order", **order) for _ in range(51)]
    assert replies[49].headers["X-MBX-ORDER-COUNT-10S"] == "50"
    assert [reply.status for reply in replies[-2:]] == [200, 429]
    assert replies[-1].body["code"] == -1015


def test_bithumb_throttles_each_category_by_itself_and_tells_nothing_of_what_is_left(
    limited: Speaker,
) -> None:
    replies = [limited.bithumb("GET", "/v1/accounts") for _ in range(141)]
    assert [reply.status for reply in replies[-2:]] == [200, 429]
    assert replies[-1].body["error"]["name"] == "too_many_requests"
    assert replies[0].headers == {}
    public = [limited.public("bithumb", "/v1/ticker", "markets=KRW-XRP") for _ in range(151)]
    assert [reply.status for reply in public[-2:]] == [200, 429]
    batch = [limited.bithumb("POST", "/v2/orders/cancel") for _ in range(21)]
    assert [reply.status for reply in batch[-2:]] == [400, 429]
    limited.wait(1)
    assert limited.bithumb("GET", "/v1/accounts").status == 200


def test_market_speed_does_not_stretch_the_limits() -> None:
    fast = Speaker(new_simulator(scenario="default", speed=6000))
    fast.wait(0.1)
    statuses = []
    for _ in range(11):
        fast.wait(0.01)
        statuses.append(fast.public("upbit", "/v1/ticker", "markets=KRW-XRP").status)
    assert statuses == [200] * 10 + [429]


def test_without_limits_the_headers_too_say_that_nothing_is_used_up(speaker: Speaker) -> None:
    order = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "10"}
    replies = [speaker.binance("POST", "/api/v3/order", **order) for _ in range(60)]
    assert (replies[-1].status, replies[-1].headers["X-MBX-ORDER-COUNT-10S"]) == (200, "0")
    told = [speaker.public("upbit", "/v1/ticker", "markets=KRW-XRP") for _ in range(20)][-1]
    assert (told.status, told.headers["Remaining-Req"]) == (200, "group=ticker; min=1800; sec=10")


def test_binance_wallet_routes_have_counters_of_their_own(limited: Speaker) -> None:
    coins = limited.binance("GET", "/sapi/v1/capital/config/getall")
    assert coins.headers["X-SAPI-USED-IP-WEIGHT-1M"] == "10"
    history = limited.binance("GET", "/sapi/v1/capital/withdraw/history")
    assert history.headers["X-SAPI-USED-UID-WEIGHT-1M"] == "1"
    assert not {"X-MBX-USED-WEIGHT-1M"} & {*coins.headers, *history.headers}
