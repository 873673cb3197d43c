"""Binance's acceptance, matching, fees and client ids."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.exchanges.simulator.speaking import Speaker

ASKS = [["2.5000", "100"], ["2.5001", "50"], ["2.5100", "10000"]]
BIDS = [["2.4999", "100"], ["2.4900", "10000"]]


@pytest.fixture
def pinned(speaker: Speaker) -> Speaker:
    speaker.pin("binance", "XRPUSDT", BIDS, ASKS)
    speaker.credit("binance", "XRP", "500")
    return speaker


def place(speaker: Speaker, **changes: Any) -> Any:
    order = {
        "symbol": "XRPUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "quantity": "120",
        "price": "2.5001",
        "newClientOrderId": "k1",
        **changes,
    }
    return speaker.binance("POST", "/api/v3/order", **order)


def test_the_reply_to_an_order_carries_its_fills(pinned: Speaker) -> None:
    reply = place(pinned).body
    assert (reply["status"], reply["executedQty"]) == ("FILLED", "120.00000000")
    fills = [(fill["price"], fill["qty"]) for fill in reply["fills"]]
    assert fills == [("2.50000000", "100.00000000"), ("2.50010000", "20.00000000")]


def test_a_buy_pays_its_fee_in_what_it_receives(pinned: Speaker) -> None:
    reply = place(pinned).body
    assert {fill["commissionAsset"] for fill in reply["fills"]} == {"XRP"}
    assert pinned.held("binance", "XRP")[0] == Decimal(500) + Decimal("119.88")
    assert pinned.held("binance", "USDT")[0] == Decimal(100000) - Decimal("300.002")


def test_a_sale_pays_its_fee_in_the_quote_asset(pinned: Speaker) -> None:
    place(pinned, side="SELL", price="2.4999", quantity="100")
    assert pinned.held("binance", "USDT")[0] == Decimal(100000) + Decimal("249.74001")


def test_an_ioc_that_finds_nothing_expires_with_nothing_executed(pinned: Speaker) -> None:
    reply = place(pinned, price="2.4000").body
    assert (reply["status"], reply["executedQty"], reply["fills"]) == ("EXPIRED", "0.00000000", [])


def test_a_partly_filled_ioc_expires_with_what_it_got(pinned: Speaker) -> None:
    reply = place(pinned, quantity="200").body
    assert (reply["status"], reply["executedQty"]) == ("EXPIRED", "150.00000000")
    assert pinned.held("binance", "USDT")[1] == 0


def test_a_market_buy_by_notional_spends_no_more_than_it(pinned: Speaker) -> None:
    change = {"type": "MARKET", "timeInForce": None, "price": None, "quantity": None}
    reply = place(pinned, **change, quoteOrderQty="100").body
    assert Decimal(reply["cummulativeQuoteQty"]) == 100
    assert reply["status"] == "FILLED"


def test_a_market_buy_by_quantity_walks_the_book(pinned: Speaker) -> None:
    reply = place(pinned, type="MARKET", timeInForce=None, price=None, quantity="160").body
    assert (reply["status"], reply["executedQty"]) == ("FILLED", "160.00000000")
    assert reply["price"] == "0.00000000"


@pytest.mark.parametrize(
    ("changes", "code", "text"),
    [
        ({"price": "2.50001"}, -1013, "Filter failure: PRICE_FILTER"),
        ({"quantity": "1.05"}, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "1"}, -1013, "Filter failure: NOTIONAL"),
        ({"price": "2.123456789"}, -1111, "precision"),
        ({"quantity": "100000"}, -2010, "insufficient balance"),
        ({"symbol": "NOPEUSDT"}, -1121, "Invalid symbol."),
        ({"side": "HOLD"}, -1117, "side"),
        ({"type": "STOP"}, -1116, "orderType"),
        ({"timeInForce": None}, -1102, "timeInForce"),
        ({"newClientOrderId": "a b"}, -1100, "newClientOrderId"),
        ({"newClientOrderId": "x" * 37}, -1100, "newClientOrderId"),
    ],
)
def test_an_order_against_the_rules_is_refused_by_code(
    pinned: Speaker, changes: dict[str, Any], code: int, text: str
) -> None:
    reply = place(pinned, **changes)
    assert (reply.status, reply.body["code"]) == (400, code)
    assert text in reply.body["msg"]
    assert pinned.rows("order_accepted") == []


def test_a_client_id_is_unique_among_open_orders_only(pinned: Speaker) -> None:
    resting = {"timeInForce": "GTC", "price": "2.4000"}
    assert place(pinned, **resting).body["status"] == "NEW"
    duplicate = place(pinned, **resting)
    assert duplicate.body == {"code": -2010, "msg": "Duplicate order sent."}
    pinned.binance("DELETE", "/api/v3/order", symbol="XRPUSDT", origClientOrderId="k1")
    assert place(pinned, **resting).body["status"] == "NEW"


def test_the_same_client_id_executes_twice_once_the_first_is_filled(pinned: Speaker) -> None:
    place(pinned, quantity="10")
    assert place(pinned, quantity="10").body["status"] == "FILLED"
    rows = pinned.control("GET", "/control/orders").body
    assert {row["acceptances"] for row in rows if row["client_order_id"] == "k1"} == {2}


def test_a_limit_maker_that_would_take_is_refused(pinned: Speaker) -> None:
    reply = place(pinned, type="LIMIT_MAKER", timeInForce=None)
    assert reply.body["msg"] == "Order would immediately match and take."


def test_an_order_is_read_by_client_id_and_an_unknown_one_does_not_exist(pinned: Speaker) -> None:
    place(pinned)
    seen = pinned.binance("GET", "/api/v3/order", symbol="XRPUSDT", origClientOrderId="k1").body
    assert (seen["status"], seen["clientOrderId"]) == ("FILLED", "k1")
    lost = pinned.binance("GET", "/api/v3/order", symbol="XRPUSDT", origClientOrderId="k2")
    assert lost.body["code"] == -2013


def test_cancelling_an_order_that_is_not_open_is_refused(pinned: Speaker) -> None:
    place(pinned)
    reply = pinned.binance("DELETE", "/api/v3/order", symbol="XRPUSDT", origClientOrderId="k1")
    assert reply.body == {"code": -2011, "msg": "Unknown order sent."}


def test_trades_and_orders_are_listed(pinned: Speaker) -> None:
    order_id = place(pinned).body["orderId"]
    trades = pinned.binance("GET", "/api/v3/myTrades", symbol="XRPUSDT", orderId=order_id).body
    assert [trade["qty"] for trade in trades] == ["100.00000000", "20.00000000"]
    orders = pinned.binance("GET", "/api/v3/allOrders", symbol="XRPUSDT").body
    assert [row["orderId"] for row in orders] == [order_id]


def test_a_tested_order_is_not_placed(pinned: Speaker) -> None:
    order = {"symbol": "XRPUSDT", "side": "BUY", "type": "MARKET", "quantity": "10"}
    assert pinned.binance("POST", "/api/v3/order/test", **order).body == {}
    assert pinned.rows("order_accepted") == []


def test_maintenance_halts_the_markets(pinned: Speaker) -> None:
    pinned.control("POST", "/control/maintenance", venue="binance", on=True)
    assert pinned.public("binance", "/sapi/v1/system/status").body["status"] == 1
    assert place(pinned).body["msg"] == "Market is closed."
