"""What may leave a venue: daily limits, fresh won, congestion, tags and allow-lists."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.exchanges.simulator.speaking import Said, Speaker

DAY_MS = 86_400_000


@pytest.fixture
def funded(speaker: Speaker) -> Speaker:
    for venue in ("upbit", "binance"):
        speaker.credit(venue, "XRP", "10000")
    return speaker


def settings(speaker: Speaker, **changes: Any) -> None:
    assert speaker.control("POST", "/control/settings", **changes).status == 200


def send(speaker: Speaker, venue: str, amount: str, **changes: str) -> Said:
    if venue == "upbit":
        there = speaker.address("binance", "XRP")
        to = {"address": there["address"], "secondary_address": there["tag"], **changes}
        row = {"currency": "XRP", "net_type": "XRP", "amount": amount}
        return speaker.upbit("POST", "/v1/withdraws/coin", **row, **to)
    there = speaker.address("upbit", "XRP")
    to = {"address": there["address"], "addressTag": there["tag"], **changes}
    row = {"coin": "XRP", "network": "XRP", "amount": amount}
    return speaker.binance("POST", "/sapi/v1/capital/withdraw/apply", **row, **to)


def refusal(reply: Said) -> Any:
    error = reply.body.get("error", reply.body)
    return error.get("name", error.get("code"))


@pytest.mark.parametrize(
    ("venue", "limit", "name"),
    [("upbit", "1000000", "withdraw_daily_limit_exceeded"), ("binance", "800", -4023)],
)
def test_no_more_leaves_in_a_day_than_the_venue_lets(
    funded: Speaker, venue: str, limit: str, name: Any
) -> None:
    settings(funded, daily_withdrawal={venue: limit})
    assert send(funded, venue, "200").status < 300
    assert refusal(send(funded, venue, "200")) == name
    funded.control("POST", "/control/clock", advance_ms=DAY_MS + 1)
    assert send(funded, venue, "200").status < 300


def test_what_is_left_of_the_day_is_told(funded: Speaker) -> None:
    quota = "/sapi/v1/capital/withdraw/quota"
    assert funded.binance("GET", quota).body == {"wdQuota": "8000000", "usedWdQuota": "0"}
    send(funded, "binance", "100")
    assert 100 < Decimal(funded.binance("GET", quota).body["usedWdQuota"]) < 400
    asked = {"currency": "XRP", "net_type": "XRP"}
    before = funded.upbit("GET", "/v1/withdraws/chance", **asked).body["withdraw_limit"]
    send(funded, "upbit", "100")
    after = funded.upbit("GET", "/v1/withdraws/chance", **asked).body["withdraw_limit"]
    assert Decimal(after["remaining_daily_fiat"]) < Decimal(before["remaining_daily_fiat"])


def test_a_withdrawal_that_is_given_back_uses_nothing_of_the_day(funded: Speaker) -> None:
    settings(funded, daily_withdrawal={"upbit": "1000000"})
    sent = send(funded, "upbit", "200").body
    funded.upbit("DELETE", "/v1/withdraws/coin", uuid=sent["uuid"])
    assert send(funded, "upbit", "200").status == 201


def test_the_worth_of_fresh_won_stays_until_its_time_is_over(funded: Speaker) -> None:
    worth = {"venue": "upbit", "asset": "KRW", "free": "0"}
    funded.control("POST", "/control/balances", **worth)
    won = {"venue": "upbit", "asset": "KRW", "credit": "30000000"}
    funded.control("POST", "/control/balances", **won, delayed_ms=DAY_MS)
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "20000000"}
    funded.upbit("POST", "/v1/orders", **order)
    asked = {"currency": "XRP", "net_type": "XRP"}
    told = funded.upbit("GET", "/v1/withdraws/chance", **asked).body["withdraw_limit"]
    assert told["withdraw_delayed_fiat"] == "30000000"
    assert send(funded, "upbit", "9000").status == 201  # the coins that were there before
    assert refusal(send(funded, "upbit", "5000")) == "withdraw_delayed_fiat"
    funded.control("POST", "/control/clock", advance_ms=DAY_MS + 1)
    assert send(funded, "upbit", "5000").status == 201


def test_congestion_makes_blocks_take_longer(funded: Speaker) -> None:
    spec = {"coin": "XRP", "net": "XRP", "congestion": "100"}
    assert funded.control("POST", "/control/network", **spec).body["congestion"] == "100"
    send(funded, "binance", "100")
    funded.wait(3)  # 180 seconds of market time: review, broadcast, and not one slow block
    held = funded.held("upbit", "XRP")[0]
    funded.wait(30)
    assert (held, funded.held("upbit", "XRP")[0]) == (Decimal(10000), Decimal("10099.8"))
    assert funded.control("POST", "/control/network", **{**spec, "congestion": "0"}).status == 400


def test_an_illegal_tag_is_refused_before_the_wallet_is_looked_at(funded: Speaker) -> None:
    assert refusal(send(funded, "binance", "20", addressTag="7")) == -4035
    settings(funded, has_binance_allow_list=False)
    assert refusal(send(funded, "binance", "20", addressTag="not-a-tag")) == -4034
    assert refusal(send(funded, "binance", "20", address="rNobody")) == -4033
    assert send(funded, "binance", "20", addressTag="7").status == 200


def test_lists_of_withdrawals_go_on_from_a_cursor(funded: Speaker) -> None:
    ids = [send(funded, "upbit", amount).body["uuid"] for amount in ("10", "11", "12")]
    listed = {"currency": "XRP", "order_by": "asc"}
    after = funded.upbit("GET", "/v1/withdraws", **listed, **{"from": ids[0]}).body
    before = funded.upbit("GET", "/v1/withdraws", **listed, to=ids[2]).body
    assert [row["uuid"] for row in after] == ids[1:]
    assert [row["uuid"] for row in before] == ids[:2]
    sent = [send(funded, "binance", amount).body["id"] for amount in ("10", "11")]
    asked = funded.binance("GET", "/sapi/v1/capital/withdraw/history", idList=sent[0]).body
    assert [row["id"] for row in asked] == sent[:1]
