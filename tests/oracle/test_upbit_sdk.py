"""Upbit's own SDK runs a cycle's calls against the simulator, its models checking every reply."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.oracle.stage import CONFIRMED_MS, Stage
from tests.oracle.talking import Client, ClientError

XRP = {"currency": "XRP", "net_type": "XRP"}
BID = {"market": "KRW-XRP", "side": "bid", "ord_type": "limit"}
ASK = {"market": "KRW-XRP", "side": "ask"}


class Sdk:
    """The SDK's client, wired to one simulator."""

    def __init__(self, process: Client, stage: Stage) -> None:
        self.process = process
        process.ask(accounts={"upbit": stage.accounts["upbit"]})

    def __call__(self, call: str, /, **kwargs: Any) -> Any:
        return self.process.ask(call=call, kwargs=kwargs)

    def unchecked(self, call: str, /, **kwargs: Any) -> Any:
        return self.process.ask(call=call, kwargs=kwargs, lenient=True)


@pytest.fixture
def sdk(upbit_process: Client, stage: Stage) -> Sdk:
    stage.pin("upbit", "KRW-XRP", [["2990", "150"], ["2989", "5000"]], [["3000", "80"], ["3001", "5000"]])  # fmt: skip
    stage.credit("upbit", "XRP", "1000")
    return Sdk(upbit_process, stage)


def test_it_is_the_pinned_version(sdk: Sdk, stage: Stage) -> None:
    assert sdk.process.ask(accounts=stage.accounts) == "1.1.0"


def test_it_buys_immediate_or_cancel_and_sees_fills_and_fee(sdk: Sdk) -> None:
    order = {**BID, "price": "3001", "volume": "100", "time_in_force": "ioc"}
    made = sdk("orders.create", **order, identifier="a1")
    assert (made["state"], made["executed_volume"]) == ("wait", "0")
    seen = sdk("orders.retrieve", identifier="a1")
    assert (seen["uuid"], seen["state"], seen["executed_volume"]) == (made["uuid"], "done", "100")
    assert [(t["price"], t["volume"]) for t in seen["trades"]] == [("3000", "80"), ("3001", "20")]
    assert Decimal(seen["paid_fee"]) == Decimal(300020) * Decimal("0.0005")


def test_an_identifier_is_used_once_for_ever(sdk: Sdk) -> None:
    order = {**BID, "price": "2000", "volume": "10", "identifier": "a1"}
    sdk("orders.create", **order)
    sdk("orders.cancel", identifier="a1")
    with pytest.raises(ClientError, match="duplicated_identifier"):
        sdk("orders.create", **order)


def test_market_and_best_orders_of_both_sides_execute(sdk: Sdk, stage: Stage) -> None:
    # The venue sends null where the SDK's model of a buy by total demands text.
    sdk.unchecked("orders.create", market="KRW-XRP", side="bid", ord_type="price", price="30000")
    sdk("orders.create", **ASK, ord_type="market", volume="10")
    sdk("orders.create", **ASK, ord_type="best", volume="5", time_in_force="ioc")
    closed = sdk.unchecked("orders.list_closed", market="KRW-XRP", order_by="asc")
    assert [order["executed_volume"] for order in closed] == ["10", "10", "5"]
    assert stage.held("upbit", "XRP") == (Decimal(995), Decimal(0))


def test_resting_orders_are_listed_replaced_and_cancelled_in_bulk(sdk: Sdk) -> None:
    for name in ("r0", "r1", "r2", "r3"):
        sdk("orders.create", **BID, price="2000", volume="10", identifier=name)
    assert len(sdk("orders.list_open", market="KRW-XRP")["items"]) == 4
    sdk("orders.cancel", identifier="r0")
    replaced = sdk(
        "orders.cancel_and_new",
        prev_order_identifier="r1",
        new_ord_type="limit",
        new_price="2100",
        new_volume="remain_only",
        new_identifier="r1b",
    )
    assert replaced["new_order_identifier"] == "r1b"
    bulk = sdk("orders.cancel_by_uuids", identifiers=["r2", "r0"])
    assert [bulk[part]["orders"][0]["identifier"] for part in ("success", "failed")] == ["r2", "r0"]
    assert sdk("orders.cancel_open", pairs="KRW-XRP")["success"]["count"] == 2
    named = sdk("orders.list_by_uuids", identifiers=["r1", "r1b"])
    assert [row["state"] for row in named] == ["cancel", "cancel"]


def test_a_trial_order_changes_nothing(sdk: Sdk, stage: Stage) -> None:
    before = stage.balances()
    assert sdk("orders.test_create", **BID, price="2000", volume="10")["state"] == "wait"
    assert stage.balances() == before


def test_the_account_is_read_whole(sdk: Sdk) -> None:
    assert {row["currency"]: row["balance"] for row in sdk("accounts.list")} == {
        "KRW": "50000000",
        "XRP": "1000",
    }
    chance = sdk("orders.retrieve_chance", market="KRW-XRP")
    assert (chance["bid_fee"], chance["market"]["bid"]["min_total"]) == ("0.0005", "5000")
    assert len(sdk("api_keys.list")) == 1
    states = {row["currency"]: row["wallet_state"] for row in sdk("wallet_status.list")}
    assert states["XRP"] == "working"


def test_coins_leave_for_the_other_venue(sdk: Sdk, stage: Stage) -> None:
    there = stage.address("binance", "XRP")
    allowed = {row["withdraw_address"] for row in sdk("withdraws.list_coin_addresses")}
    assert there["address"] in allowed
    fee = sdk("withdraws.retrieve_chance", **XRP)["currency"]["withdraw_fee"]
    sent = sdk(
        "withdraws.create_withdrawal",
        **XRP,
        amount="50",
        address=there["address"],
        secondary_address=there["tag"],
    )
    assert (sent["state"], sent["fee"], sent["is_cancelable"]) == ("WAITING", fee, True)
    assert stage.held("upbit", "XRP")[1] == Decimal(50) + Decimal(fee)
    stage.advance(CONFIRMED_MS)
    done = sdk("withdraws.retrieve", uuid=sent["uuid"])
    assert (done["state"], done["txid"] is None) == ("DONE", False)
    assert sdk("withdraws.list", currency="XRP", state="DONE")["items"][0]["uuid"] == sent["uuid"]


def test_a_withdrawal_that_waits_is_cancelled(sdk: Sdk, stage: Stage) -> None:
    there = stage.address("binance", "XRP")
    target = {"address": there["address"], "secondary_address": there["tag"]}
    sent = sdk("withdraws.create_withdrawal", **XRP, amount="50", **target)
    assert sdk("withdraws.cancel_withdrawal", uuid=sent["uuid"])["state"] == "CANCELLED"
    assert stage.held("upbit", "XRP") == (Decimal(1000), Decimal(0))


def test_an_address_that_is_not_registered_is_refused(sdk: Sdk) -> None:
    with pytest.raises(ClientError, match="withdraw_address_not_registered"):
        sdk("withdraws.create_withdrawal", **XRP, amount="50", address="rNobody")


def test_coins_arrive_from_the_other_venue(sdk: Sdk, stage: Stage) -> None:
    here = sdk("deposits.retrieve_coin_address", **XRP)
    assert here["deposit_address"] == stage.address("upbit", "XRP")["address"]
    assert sdk("deposits.retrieve_chance", **XRP)["is_deposit_possible"] is True
    assert sdk("deposits.create_coin_address", **XRP)["deposit_address"] == here["deposit_address"]
    stage.arrive("upbit", "25")
    found = sdk("deposits.retrieve", currency="XRP")
    assert (found["state"], found["amount"]) == ("ACCEPTED", "25")
    assert sdk("deposits.list", currency="XRP")["items"][0]["uuid"] == found["uuid"]


@pytest.mark.parametrize(
    ("call", "kwargs", "count"),
    [
        ("trading_pairs.list", {}, 5),
        ("tickers.list_by_trading_pairs", {"markets": "KRW-XRP,KRW-BTC"}, 2),
        ("tickers.list_by_quote_currencies", {"quote_currencies": "KRW"}, 5),
        ("orderbooks.list", {"markets": "KRW-XRP", "level": "10"}, 1),
        ("orderbooks.list_instruments", {"markets": "KRW-XRP"}, 1),
        ("trades.list", {"market": "KRW-XRP", "count": 7}, 7),
        ("candles.list_seconds", {"market": "KRW-XRP", "count": 3}, 3),
        ("candles.list_minutes", {"market": "KRW-XRP", "unit": 5, "count": 4}, 4),
        ("candles.list_days", {"market": "KRW-XRP", "count": 2}, 2),
        ("travel_rule.list_vasps", {}, 2),
    ],
)
def test_public_data_is_read(sdk: Sdk, call: str, kwargs: dict[str, Any], count: int) -> None:
    assert len(sdk.unchecked(call, **kwargs)) == count
