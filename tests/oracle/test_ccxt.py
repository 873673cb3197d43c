"""ccxt over REST runs a cycle's calls at both venues, and its known defects show as themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.oracle.stage import CONFIRMED_MS, Stage
from tests.oracle.talking import Client, ClientError

SYMBOLS = {"upbit": "XRP/KRW", "binance": "XRP/USDT"}
BOTH = pytest.mark.parametrize("venue", sorted(SYMBOLS))
ASKS = {"upbit": "3000", "binance": "2.5"}
FAR = {"upbit": "2000", "binance": "2.1"}
OTHER = {"upbit": "binance", "binance": "upbit"}


class Ccxt:
    """ccxt's exchanges, wired to one simulator."""

    def __init__(self, process: Client, stage: Stage) -> None:
        self.process = process
        self.version = process.ask(accounts=stage.accounts)

    def __call__(self, venue: str, call: str, *args: Any, **params: Any) -> Any:
        kwargs = {"params": params} if params else {}
        return self.process.ask(venue=venue, call=call, args=args, kwargs=kwargs)


@pytest.fixture
def ccxt(ccxt_process: Client, stage: Stage) -> Ccxt:
    stage.pin("binance", "XRPUSDT", [["2.4000", "60"]], [["2.5000", "100"], ["2.5010", "5000"]])
    stage.pin("upbit", "KRW-XRP", [["2990", "150"]], [["3000", "80"], ["3001", "5000"]])
    for venue in SYMBOLS:
        stage.credit(venue, "XRP", "1000")
    return Ccxt(ccxt_process, stage)


def test_it_is_the_pinned_version(ccxt: Ccxt) -> None:
    assert ccxt.version == "4.5.90"


@BOTH
def test_markets_are_loaded(ccxt: Ccxt, venue: str) -> None:
    market = ccxt(venue, "load_markets")[SYMBOLS[venue]]
    assert (market["active"], market["spot"], market["taker"] is not None) == (True, True, True)
    assert ccxt(venue, "fetch_trading_fee", SYMBOLS[venue])["taker"] in {"0.001", "0.0005"}


@BOTH
def test_prices_are_read(ccxt: Ccxt, venue: str) -> None:
    symbol = SYMBOLS[venue]
    book = ccxt(venue, "fetch_order_book", symbol)
    assert str(Decimal(str(book["asks"][0][0])).normalize()) == str(
        Decimal(ASKS[venue]).normalize()
    )
    ticker = ccxt(venue, "fetch_ticker", symbol)
    assert Decimal(ticker["low"]) <= Decimal(ticker["last"]) <= Decimal(ticker["high"])
    assert symbol in ccxt(venue, "fetch_tickers")
    trades = ccxt(venue, "fetch_trades", symbol, None, 5)
    assert len(trades) == 5
    assert trades == sorted(trades, key=lambda trade: trade["timestamp"])
    candles = ccxt(venue, "fetch_ohlcv", symbol, "1m", None, 5)
    assert [row[0] for row in candles] == sorted(row[0] for row in candles)
    assert len(candles) == 5


@BOTH
def test_an_order_through_two_levels_is_filled_and_found(ccxt: Ccxt, venue: str) -> None:
    symbol = SYMBOLS[venue]
    made = ccxt(venue, "create_order", symbol, "limit", "buy", "90", _above(venue))
    seen = ccxt(venue, "fetch_order", made["id"], symbol)
    assert (seen["status"], Decimal(seen["filled"])) == ("closed", Decimal(90))
    assert seen["id"] in {order["id"] for order in ccxt(venue, "fetch_closed_orders", symbol)}


def _above(venue: str) -> str:
    return "3001" if venue == "upbit" else "2.501"


@BOTH
def test_a_resting_order_is_listed_edited_and_cancelled(
    ccxt: Ccxt, venue: str, stage: Stage
) -> None:
    symbol = SYMBOLS[venue]
    quote = symbol.partition("/")[2]
    made = ccxt(venue, "create_order", symbol, "limit", "buy", "10", FAR[venue])
    assert [order["id"] for order in ccxt(venue, "fetch_open_orders", symbol)] == [made["id"]]
    price = "2100" if venue == "upbit" else "2.2"
    edited = ccxt(venue, "edit_order", made["id"], symbol, "limit", "buy", "12", price)
    assert edited["id"] != made["id"]
    assert stage.held(venue, quote)[1] > 0
    ccxt(venue, "cancel_order", edited["id"], symbol)
    assert ccxt(venue, "fetch_open_orders", symbol) == []
    assert stage.held(venue, quote)[1] == 0


@BOTH
def test_a_market_sale_moves_the_balance(ccxt: Ccxt, venue: str) -> None:
    ccxt(venue, "create_order", SYMBOLS[venue], "market", "sell", "50")
    assert Decimal(ccxt(venue, "fetch_balance")["XRP"]["free"]) == 950


def test_a_market_buy_spends_a_cost_at_either_venue(ccxt: Ccxt, stage: Stage) -> None:
    upbit = ccxt("upbit", "create_order", "XRP/KRW", "market", "buy", 1, None, cost=30000)
    seen = ccxt("upbit", "fetch_order", upbit["id"], "XRP/KRW")
    assert (seen["status"], Decimal(seen["filled"])) == ("closed", Decimal(10))
    ccxt("binance", "create_market_buy_order_with_cost", "XRP/USDT", 50)
    assert stage.held("binance", "XRP")[0] == 1000 + 20 - Decimal("0.02")


@BOTH
def test_an_order_that_must_not_take_does_not(ccxt: Ccxt, venue: str, stage: Stage) -> None:
    symbol, before = SYMBOLS[venue], stage.held(venue, "XRP")
    order = (venue, "create_order", symbol, "limit", "buy", "10", _above(venue))
    if venue == "binance":
        with pytest.raises(ClientError, match="OrderImmediatelyFillable"):
            ccxt(*order, postOnly=True)
    else:
        made = ccxt(*order, postOnly=True)
        assert ccxt(venue, "fetch_order", made["id"], symbol)["status"] == "canceled"
    assert stage.held(venue, "XRP") == before


@BOTH
def test_coins_travel_to_the_other_venue(ccxt: Ccxt, venue: str, stage: Stage) -> None:
    there = ccxt(OTHER[venue], "fetch_deposit_address", "XRP", network="XRP")
    assert there["tag"] == stage.address(OTHER[venue], "XRP")["tag"]
    target = {"tag": there["tag"], "network": "XRP"}
    ccxt(venue, "withdraw", "XRP", "40", there["address"], **target)
    assert len(ccxt(venue, "fetch_withdrawals", "XRP")) == 1
    stage.advance(CONFIRMED_MS)
    sent = ccxt(venue, "fetch_withdrawals", "XRP")[0]
    arrived = ccxt(OTHER[venue], "fetch_deposits", "XRP")[0]
    assert (sent["status"], arrived["status"]) == ("ok", "ok")
    assert (sent["txid"], Decimal(sent["amount"])) == (arrived["txid"], Decimal(arrived["amount"]))


@BOTH
def test_what_cannot_be_paid_for_is_refused_as_that(ccxt: Ccxt, venue: str) -> None:
    with pytest.raises(ClientError, match="InsufficientFunds"):
        ccxt(venue, "create_order", SYMBOLS[venue], "limit", "buy", "100000", FAR[venue])


def test_a_lookup_by_identifier_fails_as_ccxt_builds_it_and_works_as_upbit_means_it(
    ccxt: Ccxt,
) -> None:
    order = ("upbit", "create_order", "XRP/KRW", "limit", "buy", "10", "2000")
    made = ccxt(*order, identifier="k1")
    with pytest.raises(ClientError, match="OrderNotFound"):  # it sends uuid=None as well
        ccxt("upbit", "fetch_order", None, "XRP/KRW", identifier="k1")
    assert ccxt("upbit", "privateGetOrder", {"identifier": "k1"})["uuid"] == made["id"]


def test_a_price_off_the_tick_is_refused(ccxt: Ccxt) -> None:
    with pytest.raises(ClientError, match="invalid_price_bid"):  # ccxt knows no ticks of Upbit
        ccxt("upbit", "create_order", "XRP/KRW", "limit", "buy", "10", "2000.5")


def test_wallets_fees_and_keys_are_read(ccxt: Ccxt) -> None:
    networks = ccxt("binance", "fetch_currencies")["XRP"]["networks"]
    assert {row["id"] for row in networks.values()} == {"XRP"}
    assert ccxt("binance", "fetch_status")["status"] == "ok"
    assert ccxt("binance", "fetch_time") > 0
    states = ccxt("upbit", "privateGetStatusWallet")
    assert {row["currency"] for row in states} >= {"XRP", "USDT"}
    chance = ccxt("upbit", "privateGetWithdrawsChance", {"currency": "XRP", "net_type": "XRP"})
    assert chance["currency"]["withdraw_fee"] == "0.4"


def test_paced_by_its_own_limiter_it_meets_no_limit_of_the_venues(
    ccxt_process: Client, stage: Stage
) -> None:
    stage.control("/control/scenario", name="default")
    ccxt_process.ask(accounts=stage.accounts, paced=True)
    for venue, symbol in SYMBOLS.items():
        for _ in range(12):
            ccxt_process.ask(venue=venue, call="fetch_order_book", args=[symbol])
    throttled = [row for row in stage.control("/control/journal") if row.get("status") == 429]
    assert throttled == []
