"""ccxt over REST runs a cycle's calls at Bithumb; it knows neither waiting for an order nor allow-lists."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from tests.oracle.desks import NOT_READY, receiver_of, when_ready
from tests.oracle.stage import CONFIRMED_MS, Stage
from tests.oracle.talking import Client, ClientError

SYMBOL = "XRP/KRW"


class Ccxt:
    """ccxt's Bithumb, wired to the simulator."""

    def __init__(self, process: Client, stage: Stage) -> None:
        self.process = process
        process.ask(accounts=stage.accounts)

    def __call__(self, call: str, *args: Any, **params: Any) -> Any:
        kwargs = {"params": params} if params else {}
        return self.process.ask(venue="bithumb", call=call, args=args, kwargs=kwargs)

    def ready(self, call: str, *args: Any) -> Any:
        """Call again while the order is not ready, as a client has to."""
        return when_ready(partial(self, call, *args), ClientError)


@pytest.fixture
def ccxt(ccxt_process: Client, stage: Stage) -> Ccxt:
    stage.pin("bithumb", "KRW-XRP", [["2990", "150"]], [["3000", "80"], ["3001", "5000"]])
    stage.credit("bithumb", "XRP", "1000")
    return Ccxt(ccxt_process, stage)


def test_markets_and_prices_are_read(ccxt: Ccxt) -> None:
    market = ccxt("load_markets")[SYMBOL]
    assert (market["id"], market["active"], market["spot"]) == ("KRW-XRP", True, True)
    book = ccxt("fetch_order_book", SYMBOL)
    assert [float(book[side][0][0]) for side in ("bids", "asks")] == [2990, 3000]
    ticker = ccxt("fetch_ticker", SYMBOL)
    assert Decimal(ticker["low"]) <= Decimal(ticker["last"]) <= Decimal(ticker["high"])
    assert SYMBOL in ccxt("fetch_tickers")
    assert ccxt("fetch_trades", SYMBOL)[0]["symbol"] == SYMBOL
    candles = ccxt("fetch_ohlcv", SYMBOL, "1m", None, 5)
    assert [row[0] for row in candles] == sorted(row[0] for row in candles)
    assert len(candles) == 5


def test_an_order_is_taken_then_not_ready_then_found_filled(ccxt: Ccxt) -> None:
    made = ccxt(
        "create_order", SYMBOL, "limit", "buy", "90", "3001", clientOrderId="k1", timeInForce="IOC"
    )
    assert (made["clientOrderId"], made["status"], made["filled"]) == ("k1", None, None)
    seen = ccxt.ready("fetch_order", made["id"], SYMBOL)
    assert (seen["status"], seen["info"]["executed_volume"]) == ("closed", "90")
    assert [Decimal(trade["price"]) for trade in seen["trades"]] == [3000, 3001]
    assert made["id"] in {order["id"] for order in ccxt("fetch_closed_orders", SYMBOL)}


def test_right_after_it_was_taken_an_order_is_not_ready(ccxt: Ccxt, stage: Stage) -> None:
    stage.control("/control/settings", not_ready_wall_ms=600_000)
    made = ccxt("create_order", SYMBOL, "limit", "buy", "10", "2000")
    for call in ("fetch_order", "cancel_order"):
        with pytest.raises(ClientError, match=NOT_READY):
            ccxt(call, made["id"], SYMBOL)


def test_a_resting_order_is_listed_and_cancelled(ccxt: Ccxt, stage: Stage) -> None:
    made = ccxt("create_order", SYMBOL, "limit", "buy", "10", "2000")
    assert [order["id"] for order in ccxt("fetch_open_orders", SYMBOL)] == [made["id"]]
    assert stage.held("bithumb", "KRW")[1] > 0
    ccxt.ready("cancel_order", made["id"], SYMBOL)
    assert ccxt("fetch_open_orders", SYMBOL) == []
    assert stage.held("bithumb", "KRW")[1] == 0


def test_market_orders_sell_a_quantity_and_buy_for_a_cost(ccxt: Ccxt, stage: Stage) -> None:
    ccxt("create_order", SYMBOL, "market", "sell", "50")
    assert Decimal(ccxt("fetch_balance")["XRP"]["free"]) == 950
    ccxt("create_market_buy_order_with_cost", SYMBOL, 30000)
    assert stage.held("bithumb", "XRP")[0] == 960


def test_what_cannot_be_paid_for_is_refused_in_the_venues_words(ccxt: Ccxt) -> None:
    with pytest.raises(ClientError, match=r"ExchangeError.*부족합니다"):  # ccxt knows no name of it
        ccxt("create_order", SYMBOL, "limit", "buy", "100000", "2000")


@pytest.mark.parametrize("target", ["binance", "upbit"])
def test_coins_travel_to_the_other_venues_with_the_receivers_name(
    ccxt: Ccxt, stage: Stage, target: str
) -> None:
    """A name in Hangul: ccxt hashes it percent-encoded, the venue's documents do not."""
    there = stage.address(target, "XRP")
    to = (there["address"], there["tag"])
    receiver = receiver_of(ccxt("fetch_withdrawal_whitelist"), to)
    ccxt("withdraw", "XRP", "40", to[0], tag=to[1], network="XRP", **receiver)
    stage.advance(CONFIRMED_MS)
    (sent,) = ccxt("fetch_withdrawals", "XRP")
    assert (sent["status"], Decimal(sent["amount"])) == ("ok", Decimal(40))
    assert stage.held(target, "XRP")[0] == 40


def test_coins_arrive_from_binance(ccxt: Ccxt, stage: Stage) -> None:
    there = ccxt("fetch_deposit_address", "XRP", network="XRP")
    assert there["tag"] == stage.address("bithumb", "XRP")["tag"]
    stage.arrive("bithumb", "25")
    (arrived,) = ccxt("fetch_deposits", "XRP")
    assert (arrived["status"], Decimal(arrived["amount"])) == ("ok", Decimal(25))
