"""ccxt.pro over the venues' WebSockets: books, trades, and the account's orders, fills and balances."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

from tests.oracle.desks import AdapterDesk, Placing
from tests.oracle.stage import Stage
from tests.oracle.talking import Client

SYMBOLS = {"upbit": "XRP/KRW", "binance": "XRP/USDT"}
BOTH = pytest.mark.parametrize("venue", sorted(SYMBOLS))
BIDS = {"upbit": "2990", "binance": "2.4"}
PRIVATE = {"upbit": {"myOrder:", "myAsset:"}, "binance": {"userData:0"}}
WAIT_SECONDS = 15


class Pro:
    """ccxt.pro's exchanges, wired to one simulator."""

    def __init__(self, process: Client, stage: Stage) -> None:
        self.process = process
        self.stage = stage
        self.version = process.ask(accounts=stage.accounts)

    def next(self, venue: str, call: str) -> Any:
        """Wait for one update of a market."""
        return self.process.ask(venue=venue, call=call, args=[SYMBOLS[venue]])

    def begin(self, venue: str, *calls: str) -> None:
        """Begin to watch, and return once the venue and the client are both ready."""
        for call in calls:
            self.process.ask(venue=venue, call=call, watch=call)
        until(lambda: PRIVATE[venue] <= self.subscriptions(venue))
        until(lambda: len(self.process.ask(waiting=venue)) >= len(calls))

    def collect(self, call: str) -> Any:
        """Wait for the first update of what was begun."""
        return self.process.ask(collect=call)

    def subscriptions(self, venue: str) -> set[str]:
        """Return what the venue's private connections are subscribed to."""
        sessions = self.stage.control("/control/streams")["sessions"]
        mine = (row for row in sessions if row["venue"] == venue and row["private"])
        return {name for row in mine for name in row["subscriptions"]}


def until(is_true: Callable[[], bool]) -> None:
    ends_at = time.monotonic() + WAIT_SECONDS
    while not is_true():
        if time.monotonic() > ends_at:
            raise AssertionError("it never came true")
        time.sleep(0.02)


@pytest.fixture
def pro(pro_process: Client, stage: Stage) -> Iterator[Pro]:
    stage.pin("binance", "XRPUSDT", [["2.4000", "60"]], [["2.5000", "100"]])
    stage.pin("upbit", "KRW-XRP", [["2990", "150"]], [["3000", "80"]])
    for venue in SYMBOLS:
        stage.credit(venue, "XRP", "1000")
    yield Pro(pro_process, stage)
    pro_process.ask(accounts={})  # connections end with the test


def test_it_is_the_pinned_version(pro: Pro) -> None:
    assert pro.version == "4.5.90"


@BOTH
def test_a_book_follows_what_orders_take_from_it(pro: Pro, venue: str, stage: Stage) -> None:
    book = pro.next(venue, "watch_order_book")
    assert Decimal(str(book["bids"][0][0])) == Decimal(BIDS[venue])
    whole = Decimal(str(book["bids"][0][1]))
    sell(stage, venue, "10")
    left = whole
    while left == whole:
        left = Decimal(str(pro.next(venue, "watch_order_book")["bids"][0][1]))
    assert left == whole - 10


def sell(stage: Stage, venue: str, quantity: str) -> None:
    order = Placing(
        venue=venue, side="sell", kind="ioc", quantity=quantity, price=BIDS[venue], client_id="s1"
    )
    with closing(AdapterDesk(stage.accounts)) as desk:
        desk.place(order)


@BOTH
def test_tickers_and_trades_come_as_the_market_moves(pro: Pro, venue: str, stage: Stage) -> None:
    symbol = {"upbit": "KRW-XRP", "binance": "XRPUSDT"}[venue]
    stage.control("/control/book", venue=venue, symbol=symbol, unpin=True)
    stage.control("/control/clock", freeze=False)
    ticker = pro.next(venue, "watch_ticker")
    assert Decimal(ticker["low"]) <= Decimal(ticker["last"]) <= Decimal(ticker["high"])
    (trade, *_) = pro.next(venue, "watch_trades")
    assert (trade["symbol"], Decimal(trade["amount"]) > 0) == (SYMBOLS[venue], True)
    listed = pro.process.ask(venue=venue, call="fetch_trades", args=[SYMBOLS[venue]])
    same = next(row for row in listed if row["id"] == trade["id"])
    assert (same["price"], same["side"]) == (trade["price"], trade["side"])


@BOTH
def test_the_accounts_orders_fills_and_balances_come(pro: Pro, venue: str, stage: Stage) -> None:
    pro.begin(venue, "watch_orders", "watch_my_trades", "watch_balance")
    sell(stage, venue, "10")
    order = pro.collect("watch_orders")[-1]
    (trade,) = pro.collect("watch_my_trades")
    balance = pro.collect("watch_balance")
    assert (order["clientOrderId"], order["symbol"]) == ("s1", SYMBOLS[venue])
    assert (trade["order"], Decimal(trade["amount"])) == (order["id"], Decimal(10))
    assert Decimal(trade["price"]) == Decimal(BIDS[venue])
    quote = SYMBOLS[venue].partition("/")[2]
    assert trade["fee"]["currency"] == quote
    until_told(pro, venue, balance, stage)


def until_told(pro: Pro, venue: str, balance: Any, stage: Stage) -> None:
    """Read balances until they are the venue's; an event tells the state after one change."""
    held = {
        asset: stage.held(venue, asset)[0] for asset in ("XRP", SYMBOLS[venue].partition("/")[2])
    }
    while {asset: Decimal(balance[asset]["free"]) for asset in held} != held:
        balance = pro.process.ask(venue=venue, call="watch_balance")
