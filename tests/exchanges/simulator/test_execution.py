"""What a scenario changes of execution: latency, fees in BNB, a price band, reads that trail."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.exchanges.simulator.speaking import Said, Speaker, new_simulator

MARKET = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET"}


@pytest.fixture
def pinned(speaker: Speaker) -> Speaker:
    speaker.pin("upbit", "KRW-XRP", [["2990", "1000"]], [["3000", "1000"]])
    speaker.pin("binance", "XRPUSDT", [["2.4", "1000"]], [["2.5", "1000"]])
    return speaker


def settings(speaker: Speaker, **changes: Any) -> None:
    assert speaker.control("POST", "/control/settings", **changes).status == 200


def buy(speaker: Speaker, client_id: str, **changes: str) -> Said:
    order = {"symbol": "XRPUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    given = {"quantity": "10", "price": "2.5", **order, **changes}
    return speaker.binance("POST", "/api/v3/order", **given, newClientOrderId=client_id)


def test_with_a_latency_an_order_is_accepted_first_and_filled_later(pinned: Speaker) -> None:
    settings(pinned, fill_latency_ms=60_000)
    placed = buy(pinned, "a").body
    assert (placed["status"], placed["fills"]) == ("NEW", [])
    assert pinned.held("binance", "USDT")[1] == 25
    pinned.wait(2)  # at 60 times the pace
    seen = pinned.binance("GET", "/api/v3/order", symbol="XRPUSDT", origClientOrderId="a").body
    assert (seen["status"], seen["executedQty"]) == ("FILLED", "10.00000000")
    (trade,) = pinned.binance("GET", "/api/v3/myTrades", symbol="XRPUSDT").body
    assert trade["isMaker"] is False


def test_an_order_cancelled_before_its_latency_is_over_never_fills(pinned: Speaker) -> None:
    settings(pinned, fill_latency_ms=60_000)
    buy(pinned, "a")
    pinned.binance("DELETE", "/api/v3/order", symbol="XRPUSDT", origClientOrderId="a")
    pinned.wait(5)
    assert pinned.held("binance", "USDT") == (Decimal(100_000), Decimal(0))


def test_no_book_fills_an_order_whose_latency_is_not_over(pinned: Speaker) -> None:
    settings(pinned, fill_latency_ms=600_000)
    buy(pinned, "a", price="2.4")
    pinned.pin("binance", "XRPUSDT", [["2.2", "1000"]], [["2.3", "1000"]])
    assert pinned.held("binance", "XRP")[0] == 0


def test_fees_in_bnb_leave_what_is_bought_whole(pinned: Speaker) -> None:
    settings(pinned, bnb_usdt="600")
    pinned.credit("binance", "BNB", "1")
    (fill,) = buy(pinned, "a").body["fills"]
    # 25 USDT at 0.1 %, a quarter off, at 600 USDT, floored to eight decimals
    assert (fill["commission"], fill["commissionAsset"]) == ("0.00003125", "BNB")
    assert pinned.held("binance", "XRP")[0] == 10
    assert pinned.held("binance", "BNB")[0] == 1 - Decimal("0.00003125")


def test_without_enough_bnb_the_fee_is_taken_from_what_is_bought(pinned: Speaker) -> None:
    settings(pinned, bnb_usdt="600")
    pinned.credit("binance", "BNB", "0.00003124")
    (fill,) = buy(pinned, "a").body["fills"]
    assert fill["commissionAsset"] == "XRP"


@pytest.mark.parametrize(
    ("price", "side", "name"),
    [
        ("3301", "bid", "over_price_limit_bid"),
        ("2690", "ask", "under_price_limit_ask"),
        ("3280", "bid", None),
    ],
)
def test_a_price_outside_of_the_band_is_refused(
    pinned: Speaker, price: str, side: str, name: str | None
) -> None:
    settings(pinned, upbit_price_band="0.1")
    pinned.credit("upbit", "XRP", "100")
    order = {"market": "KRW-XRP", "side": side, "ord_type": "limit", "volume": "10", "price": price}
    reply = pinned.upbit("POST", "/v1/orders", **order)
    assert reply.body.get("error", {}).get("name") == name


def test_a_notional_buy_ends_as_each_venue_ends_it(pinned: Speaker) -> None:
    placed = pinned.binance("POST", "/api/v3/order", **MARKET, quoteOrderQty="26.1").body
    assert (placed["status"], placed["executedQty"]) == ("FILLED", "10.40000000")
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "price", "price": "10001"}
    made = pinned.upbit("POST", "/v1/orders", **order).body
    seen = pinned.upbit("GET", "/v1/order", uuid=made["uuid"]).body
    assert (seen["state"], seen["executed_volume"]) == ("cancel", "3.33366666")


def test_a_quantity_that_takes_the_last_of_the_book_is_filled(pinned: Speaker) -> None:
    placed = pinned.binance("POST", "/api/v3/order", **MARKET, quantity="1000").body
    assert placed["status"] == "FILLED"


def test_a_jump_of_a_frozen_clock_lets_resting_orders_meet_the_market(speaker: Speaker) -> None:
    speaker.control("POST", "/control/clock", freeze=True)
    ask = Decimal(speaker.public("binance", "/api/v3/ticker/bookTicker", "symbol=XRPUSDT").body["askPrice"])  # fmt: skip
    buy(speaker, "a", price=str(ask - Decimal("0.0030")), quantity="10")
    for _ in range(200):
        speaker.control("POST", "/control/clock", advance_ms=60_000)
        if speaker.held("binance", "XRP")[0]:
            return
    raise AssertionError("the market never came to the order")


def test_by_default_reads_of_binance_trail_by_chance_and_not_for_long() -> None:
    speaker = Speaker(new_simulator(scenario="default", speed=1))
    lags = set()
    for step in range(40):
        speaker.wait(0.001 * (1 + step))
        lags.add(speaker.simulator.world.read_lag_ms("binance"))
    assert len(lags) > 10
    assert max(lags) < 300
    assert speaker.simulator.world.read_lag_ms("upbit") == 0


def test_an_order_just_accepted_may_not_be_found_yet() -> None:
    speaker = Speaker(new_simulator(scenario="default", speed=1))
    speaker.wait(60)
    codes = []
    for number in range(12):
        buy(speaker, f"k{number}", price="1.5")
        query = {"symbol": "XRPUSDT", "origClientOrderId": f"k{number}"}
        codes.append(speaker.binance("GET", "/api/v3/order", **query).body.get("code"))
        speaker.wait(1)
        assert speaker.binance("GET", "/api/v3/order", **query).status == 200
    assert -2013 in codes


def test_the_reply_to_an_upbit_order_shows_fills_only_where_a_scenario_says_so(
    pinned: Speaker,
) -> None:
    order = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit", "volume": "10"}
    first = pinned.upbit("POST", "/v1/orders", **order, price="3000").body
    settings(pinned, upbit_reply_has_fills=True)
    second = pinned.upbit("POST", "/v1/orders", **order, price="3000").body
    assert [(row["state"], row["executed_volume"]) for row in (first, second)] == [
        ("wait", "0"), ("done", "10"),
    ]  # fmt: skip
