"""Binance's own SDKs, spot and wallet, run a cycle's calls against the simulator."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.oracle.stage import CONFIRMED_MS, Stage
from tests.oracle.talking import Client, ClientError

PAIR = {"symbol": "XRPUSDT"}
XRP = {"coin": "XRP", "network": "XRP"}
LIMIT = {**PAIR, "side": "BUY", "type": "LIMIT", "time_in_force": "GTC"}
MARKET = {**PAIR, "side": "BUY", "type": "MARKET"}


class Sdk:
    """Both SDKs, wired to one simulator."""

    def __init__(self, process: Client, stage: Stage) -> None:
        self.process = process
        self.versions = process.ask(accounts={"binance": stage.accounts["binance"]})

    def spot(self, call: str, /, **kwargs: Any) -> Any:
        return self.process.ask(api="spot", call=call, kwargs=kwargs)

    def wallet(self, call: str, /, **kwargs: Any) -> Any:
        return self.process.ask(api="wallet", call=call, kwargs=kwargs)


@pytest.fixture
def sdk(binance_process: Client, stage: Stage) -> Sdk:
    stage.pin("binance", "XRPUSDT", [["2.4000", "60"], ["2.3990", "5000"]], [["2.5000", "100"], ["2.5010", "5000"]])  # fmt: skip
    stage.credit("binance", "XRP", "1000")
    return Sdk(binance_process, stage)


def test_they_are_the_pinned_versions(sdk: Sdk) -> None:
    assert sdk.versions == {"spot": "13.2.0", "wallet": "13.7.0"}


def test_it_buys_immediate_or_cancel_and_sees_fills_and_commission(sdk: Sdk) -> None:
    order = {**LIMIT, "time_in_force": "IOC", "quantity": "300", "price": "2.501"}
    made = sdk.spot("new_order", **order, new_client_order_id="b1")
    fills = [(fill["price"], fill["qty"], fill["commission"]) for fill in made["fills"]]
    assert fills == [
        ("2.50000000", "100.00000000", "0.10000000"),
        ("2.50100000", "200.00000000", "0.20000000"),
    ]
    seen = sdk.spot("get_order", **PAIR, orig_client_order_id="b1")
    assert (seen["order_id"], seen["status"]) == (made["order_id"], "FILLED")
    trades = sdk.spot("my_trades", **PAIR, order_id=made["order_id"])
    assert sum(Decimal(trade["quote_qty"]) for trade in trades) == Decimal("750.2")


def test_a_buy_by_notional_ends_filled_when_what_is_left_buys_no_step(sdk: Sdk) -> None:
    made = sdk.spot("new_order", **MARKET, quote_order_qty="50.1")
    assert (made["status"], made["executed_qty"]) == ("FILLED", "20.00000000")


def test_a_client_id_is_used_once_while_its_order_is_open(sdk: Sdk) -> None:
    order = {**LIMIT, "quantity": "30", "price": "2.1", "new_client_order_id": "b1"}
    sdk.spot("new_order", **order)
    with pytest.raises(ClientError, match="Duplicate order sent"):
        sdk.spot("new_order", **order)
    sdk.spot("delete_order", **PAIR, orig_client_order_id="b1")
    assert sdk.spot("new_order", **order)["status"] == "NEW"


def test_resting_orders_are_listed_replaced_and_cancelled_together(sdk: Sdk) -> None:
    order = {**LIMIT, "quantity": "30", "price": "2.1"}
    for name in ("r0", "r1"):
        sdk.spot("new_order", **order, new_client_order_id=name)
    assert len(sdk.spot("get_open_orders", **PAIR)) == 2
    replaced = sdk.spot(
        "order_cancel_replace",
        **{**order, "price": "2.2"},
        cancel_replace_mode="STOP_ON_FAILURE",
        cancel_orig_client_order_id="r0",
        new_client_order_id="r0b",
    )
    assert (replaced["cancel_result"], replaced["new_order_result"]) == ("SUCCESS", "SUCCESS")
    gone = sdk.spot("delete_open_orders", **PAIR)
    assert len(gone) == 2
    states = {row["client_order_id"]: row["status"] for row in sdk.spot("all_orders", **PAIR)}
    assert states == {"r0": "CANCELED", "r1": "CANCELED", "r0b": "CANCELED"}


def test_a_trial_order_changes_nothing(sdk: Sdk, stage: Stage) -> None:
    before = stage.balances()
    sdk.spot("order_test", **MARKET, quantity="10")
    assert stage.balances() == before


def test_the_account_is_read_whole(sdk: Sdk) -> None:
    account = sdk.spot("get_account", omit_zero_balances=True)
    assert {row["asset"]: row["free"] for row in account["balances"]} == {
        "USDT": "100000.00000000",
        "XRP": "1000.00000000",
    }
    assert sdk.spot("account_commission", **PAIR)["standard_commission"]["taker"] == "0.00100000"
    assert {row["interval"] for row in sdk.spot("rate_limit_order")} == {"SECOND", "DAY"}
    assert {row["asset"] for row in sdk.wallet("user_asset")} == {"USDT", "XRP"}
    assert sdk.wallet("get_api_key_permission")["enable_withdrawals"] is True
    assert sdk.wallet("account_status")["data"] == "Normal"
    assert sdk.wallet("system_status")["status"] == 0
    assert sdk.wallet("trade_fee", **PAIR)[0]["taker_commission"] == "0.001"


def test_coins_leave_for_the_other_venue(sdk: Sdk, stage: Stage) -> None:
    there = stage.address("upbit", "XRP")
    allowed = {row["address"] for row in sdk.wallet("fetch_withdraw_address_list")}
    assert there["address"] in allowed
    coins = {row["coin"]: row for row in sdk.wallet("all_coins_information")}
    fee = Decimal(coins["XRP"]["network_list"][0]["withdraw_fee"])
    target = {"address": there["address"], "address_tag": there["tag"]}
    sent = sdk.wallet("withdraw", **XRP, **target, amount="20", withdraw_order_id="w1")
    asked = {"coin": "XRP", "withdraw_order_id": "w1"}
    row = sdk.wallet("withdraw_history", **asked)[0]
    assert (row["id"], row["amount"], row["status"]) == (sent["id"], str(20 - fee), 2)
    stage.advance(CONFIRMED_MS)
    assert sdk.wallet("withdraw_history", **asked)[0]["status"] == 6
    assert stage.held("upbit", "XRP")[0] == 20 - fee
    used = Decimal(sdk.wallet("fetch_withdraw_quota")["used_wd_quota"])
    assert used > 0


def test_an_address_that_is_not_listed_is_refused(sdk: Sdk) -> None:
    with pytest.raises(ClientError, match="-4035"):
        sdk.wallet("withdraw", **XRP, address="rNobody", amount="20")


def test_coins_arrive_from_the_other_venue(sdk: Sdk, stage: Stage) -> None:
    here = sdk.wallet("deposit_address", **XRP)
    assert here["address"] == stage.address("binance", "XRP")["address"]
    stage.arrive("binance", "25")
    row = sdk.wallet("deposit_history", coin="XRP")[0]
    assert (row["amount"], row["status"], row["address_tag"]) == ("25", 1, here["tag"])


@pytest.mark.parametrize(
    ("call", "kwargs"),
    [
        ("agg_trades", {"limit": 7}),
        ("get_trades", {"limit": 7}),
        ("historical_trades", {"limit": 7}),
        ("klines", {"interval": "1m", "limit": 7}),
        ("ui_klines", {"interval": "1h", "limit": 7}),
    ],
)
def test_public_history_is_read(sdk: Sdk, call: str, kwargs: dict[str, Any]) -> None:
    assert len(sdk.spot(call, **PAIR, **kwargs)) == 7


def test_public_quotes_are_read(sdk: Sdk) -> None:
    assert sdk.spot("depth", **PAIR)["asks"][0] == ["2.50000000", "100.00000000"]
    best = sdk.spot("ticker_book_ticker", **PAIR)["actual_instance"]
    assert (best["bid_price"], best["ask_price"]) == ("2.40000000", "2.50000000")
    assert sdk.spot("ticker_price", **PAIR)["actual_instance"]["price"] == "2.40000000"
    assert sdk.spot("ticker24hr", **PAIR)["actual_instance"]["last_price"] == "2.40000000"
    assert sdk.spot("avg_price", **PAIR)["mins"] == 5
    rules = sdk.spot("exchange_info", **PAIR)["symbols"][0]
    assert rules["status"] == "TRADING"
    assert sdk.spot("time")["server_time"] > 0
