"""ccxt.pro over the venues' WebSockets: books, trades, and the account's orders, fills and balances.

Its Bithumb has no watch_my_trades, and of the order's own event it knows neither our id nor what was
executed (it looks for names of the API before this one); both are read from the event itself. Its calls of
generation 1 (wss://pubwss.bithumb.com) are left out: the documents no longer have them.
"""

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

SYMBOLS = {"upbit": "XRP/KRW", "bithumb": "XRP/KRW", "binance": "XRP/USDT"}
EACH = pytest.mark.parametrize("venue", sorted(SYMBOLS))
BIDS = {"upbit": "2990", "bithumb": "2990", "binance": "2.4"}
PRIVATE = {
    "upbit": {"myOrder:", "myAsset:"},
    "bithumb": {"myOrder:", "myAsset:"},
    "binance": {"userData:0"},
}
ALL = ("watch_orders", "watch_my_trades", "watch_balance")
WATCHED: dict[str, tuple[str, ...]] = dict.fromkeys(SYMBOLS, ALL)
WATCHED["bithumb"] = ("watch_orders", "watch_balance")
WAIT_SECONDS = 15

Fill = tuple[str, Decimal, Decimal, str]


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

    def cached(self, venue: str, what: str) -> Any:
        """Return what the client has made of all updates so far; one may come between two calls."""
        return self.process.ask(venue=venue, cached=what)

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
    for venue in ("upbit", "bithumb"):
        stage.pin(venue, "KRW-XRP", [["2990", "150"]], [["3000", "80"]])
    for venue in SYMBOLS:
        stage.credit(venue, "XRP", "1000")
    yield Pro(pro_process, stage)
    pro_process.ask(accounts={})  # connections end with the test


def test_it_is_the_pinned_version(pro: Pro) -> None:
    assert pro.version == "4.5.90"


@EACH
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


@EACH
def test_tickers_and_trades_come_as_the_market_moves(pro: Pro, venue: str, stage: Stage) -> None:
    symbol = "XRPUSDT" if venue == "binance" else "KRW-XRP"
    stage.control("/control/book", venue=venue, symbol=symbol, unpin=True)
    stage.control("/control/clock", freeze=False)
    ticker = pro.next(venue, "watch_ticker")
    assert Decimal(ticker["low"]) <= Decimal(ticker["last"]) <= Decimal(ticker["high"])
    several = pro.process.ask(venue=venue, call="watch_tickers", args=[[SYMBOLS[venue]]])
    assert several.keys() == {SYMBOLS[venue]}
    (trade, *_) = pro.next(venue, "watch_trades")
    assert (trade["symbol"], Decimal(trade["amount"]) > 0) == (SYMBOLS[venue], True)
    latest = {"args": [SYMBOLS[venue]], "kwargs": {"limit": 500}}  # Bithumb gives one if not asked
    listed = pro.process.ask(venue=venue, call="fetch_trades", **latest)
    same = next(row for row in listed if row["id"] == trade["id"])
    assert (same["price"], same["side"]) == (trade["price"], trade["side"])


@EACH
def test_the_accounts_orders_fills_and_balances_come(pro: Pro, venue: str, stage: Stage) -> None:
    pro.begin(venue, *WATCHED[venue])
    sell(stage, venue, "10")
    order = pro.collect("watch_orders")[-1]
    client_id, fill = (bithumb_told if venue == "bithumb" else told)(pro, order)
    assert (client_id, order["symbol"], order["side"]) == ("s1", SYMBOLS[venue], "sell")
    quote = SYMBOLS[venue].partition("/")[2]
    assert fill == (order["id"], Decimal(10), Decimal(BIDS[venue]), quote)
    assert "XRP" in pro.collect("watch_balance")
    until(lambda: has_told_balances(pro, venue, stage))


def told(pro: Pro, order: Any) -> tuple[str, Fill]:
    """Return the order's client id and its fill: order, quantity, price, currency of the fee."""
    (trade,) = pro.collect("watch_my_trades")
    quantity, price = Decimal(trade["amount"]), Decimal(trade["price"])
    return order["clientOrderId"], (trade["order"], quantity, price, trade["fee"]["currency"])


def bithumb_told(pro: Pro, order: Any) -> tuple[str, Fill]:
    """Return the same from the order's last event."""
    until(lambda: pro.cached("bithumb", "orders")[-1]["info"]["state"] == "done")
    (last,) = [row for row in pro.cached("bithumb", "orders") if row["id"] == order["id"]]
    event = last["info"]
    quantity = Decimal(str(event["executed_quantity"]))
    price = Decimal(str(event["executed_amount"])) / quantity
    return event["client_order_id"], (event["order_id"], quantity, price, last["fee"]["currency"])


def has_told_balances(pro: Pro, venue: str, stage: Stage) -> bool:
    cached = pro.cached(venue, "balance")
    balance = cached["spot"] if venue == "binance" else cached  # it has several accounts
    return all(
        asset in balance and Decimal(balance[asset]["free"]) == stage.held(venue, asset)[0]
        for asset in SYMBOLS[venue].split("/")
    )
