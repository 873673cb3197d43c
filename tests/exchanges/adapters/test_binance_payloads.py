"""Binance's replies become exact values, or nothing at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from exchanges.adapters.binance import build, networks, payloads, rules, transfers
from exchanges.transport.decoding import UnreadableError
from exchanges.transport.reading import decode
from exchanges.values import (
    DepositAddress,
    DepositStatus,
    Market,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Side,
    WithdrawalRequest,
    WithdrawalStatus,
)
from tests.exchanges.payloads import binance

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
MARKET = Market("BTC", "USDT")
FULL: dict[str, Any] = {
    "symbol": "BTCUSDT",
    "orderId": 28,
    "clientOrderId": "kabc",
    "transactTime": 1507725176595,
    "price": "4001.00000000",
    "origQty": "10.00000000",
    "executedQty": "10.00000000",
    "status": "FILLED",
    "side": "BUY",
    "fills": [
        {
            "price": "4000.00000000",
            "qty": "4.00000000",
            "commission": "0.00400000",
            "commissionAsset": "BTC",
            "tradeId": 56,
        },
        {
            "price": "4001.00000000",
            "qty": "6.00000000",
            "commission": "0.00600000",
            "commissionAsset": "BTC",
            "tradeId": 57,
        },
    ],
}


def placed(**changes: Any) -> OrderReport:
    body = json.dumps({**FULL, **changes}).encode()
    return payloads.placed_order(body, MARKET, client_order_id="kabc")


def test_a_full_reply_is_final_with_its_fills_and_fees() -> None:
    report = placed()
    assert (report.status, report.is_final, report.venue_order_id) == (
        OrderStatus.FILLED,
        True,
        "28",
    )
    assert [fill.venue_fill_id for fill in report.fills] == ["56", "57"]
    assert sum(fill.notional for fill in report.fills) == Decimal(40006)
    assert [fill.fee for fill in report.fills] == [Decimal("0.004"), Decimal("0.006")]
    assert report.created_at == datetime(2017, 10, 11, 12, 32, 56, 595000, tzinfo=UTC)


def test_an_ioc_that_found_nothing_is_closed_and_final() -> None:
    report = placed(status="EXPIRED", executedQty="0.00000000", fills=[])
    assert (report.status, report.is_final, report.fills) == (OrderStatus.CLOSED, True, ())


def test_an_expired_ioc_with_fills_is_closed_with_them() -> None:
    report = placed(status="EXPIRED", origQty="20.0")
    assert (report.status, report.is_final) == (OrderStatus.CLOSED, True)
    assert report.executed_quantity == 10


@pytest.mark.parametrize(
    "changes",
    [
        {"fills": None},
        {"fills": []},
        {"executedQty": None},
        {"fills": [{"commissionAsset": "USDT", "tradeId": 56}]},
        {"transactTime": None},
    ],
    ids=str,
)
def test_a_reply_that_hides_part_of_the_fills_counts_as_open(changes: dict[str, Any]) -> None:
    assert placed(**changes).status is OrderStatus.OPEN


def test_the_official_example_that_leaves_fills_out_counts_as_open() -> None:
    body = binance("spot", "new_order", clientOrderId="kabc")
    report = payloads.placed_order(body, MARKET, client_order_id="kabc")
    assert (report.status, report.side, report.fills) == (OrderStatus.OPEN, Side.SELL, ())


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "foo"},
        {"side": "HOLD"},
        {"orderId": None},
        {"orderId": ""},
        {"clientOrderId": "another"},
        {"symbol": "ETHUSDT"},
        {"executedQty": "NaN"},
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError):
        placed(**changes)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b"null", b'{"orderId": 1'])
def test_a_body_that_is_no_order_never_becomes_one(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        payloads.placed_order(body, MARKET, client_order_id="kabc")


def test_an_order_read_later_takes_its_fills_from_the_trades() -> None:
    order = decode(
        binance("spot", "get_order", executedQty="12.0", orderId=100234, status="FILLED"),
        payloads.Order,
    )
    market = Market("LTC", "BTC")
    trades = decode(binance("spot", "my_trades"), list[payloads.Trade])
    report = payloads.found_order(order, trades, market, client_order_id="myOrder1")
    assert report.is_final
    assert report.fills[0].notional == Decimal("48.000012")
    assert (report.fills[0].fee, report.fills[0].fee_asset) == (Decimal("10.1"), "BNB")
    lagging = payloads.found_order(order, [], market, client_order_id="myOrder1")
    assert not lagging.is_final


def test_trades_of_another_order_are_left_out() -> None:
    order = decode(binance("spot", "get_order"), payloads.Order)
    trades = decode(binance("spot", "my_trades"), list[payloads.Trade])
    report = payloads.found_order(order, trades, Market("LTC", "BTC"), client_order_id="myOrder1")
    assert report.fills == ()


def test_a_book_keeps_every_digit() -> None:
    book = payloads.book(binance("spot", "depth"), MARKET, depth=5, received_at=NOW)
    assert (str(book.bids[0].price), str(book.bids[0].quantity)) == ("4.00000000", "431.00000000")
    assert book.asks[0].price == Decimal("4.000002")
    assert book.venue_at is None


def test_balances_keep_what_is_free_and_locked() -> None:
    held = payloads.balances(binance("spot", "get_account"))
    assert held["BTC"].free == Decimal("4723846.89208129")
    assert rules.account_taker_fee(binance("spot", "get_account")) == Decimal("0.0015")


def test_the_account_fee_stands_in_for_a_market_that_is_not_listed() -> None:
    body = binance("wallet", "trade_fee")
    assert rules.taker_fee(body, Market("ADA", "BNB")) == Decimal("0.001")
    assert rules.taker_fee(body, MARKET) is None


def exchange_info(filters: list[dict[str, str]], status: str = "TRADING") -> bytes:
    return json.dumps(
        {"symbols": [{"symbol": "BTCUSDT", "status": status, "filters": filters}]}
    ).encode()


FILTERS = [
    {"filterType": "PRICE_FILTER", "tickSize": "0.01000000"},
    {"filterType": "LOT_SIZE", "stepSize": "0.00001000"},
    {"filterType": "NOTIONAL", "minNotional": "5.00000000"},
]


def test_market_rules_come_from_the_filters() -> None:
    found = rules.market_rules(
        exchange_info(FILTERS), MARKET, taker_fee_rate=Decimal("0.001"), now=NOW
    )
    assert found.price_step(Decimal(1)) == Decimal("0.01")
    assert (found.quantity_step, found.minimum_notional) == (
        Decimal("0.00001"),
        Decimal(5),
    )
    assert (found.is_open, found.buy_fee_in_quote) == (True, False)


def test_a_market_without_a_step_cannot_be_traded() -> None:
    with pytest.raises(UnreadableError):
        rules.market_rules(exchange_info(FILTERS[:1]), MARKET, taker_fee_rate=Decimal(0), now=NOW)


def test_a_halted_market_is_closed() -> None:
    body = exchange_info(FILTERS, "HALT")
    assert not rules.market_rules(body, MARKET, taker_fee_rate=Decimal(0), now=NOW).is_open


def test_networks_are_never_merged() -> None:
    body = binance("wallet", "all_coins_information", coin="X")
    (row,) = networks.network_rules(body, "X", now=NOW)
    assert (row.network, row.withdraw_fee, row.withdraw_step) == (
        "BSC",
        Decimal(10),
        Decimal("0.01"),
    )
    assert (row.confirmations, row.unlock_confirmations, row.memo_is_required) == (5, 0, False)
    assert (row.withdraw_maximum, row.deposit_minimum) == (Decimal(9999999999), Decimal("0.01"))
    assert networks.network_rules(body, "BTC", now=NOW) == ()


def test_a_listing_is_the_coins_name_its_networks_and_its_contract() -> None:
    (row,) = networks.listings(binance("wallet", "all_coins_information"))
    assert (row.symbol, row.title, row.network, row.network_title) == (
        "1MBABYDOGE",
        "1M x BABYDOGE",
        "BSC",
        "BNB Smart Chain (BEP20)",
    )
    assert row.contract == "0xc748673057861a797275cd8a068abb95a902e8de"


REQUEST = WithdrawalRequest(
    destination=DepositAddress(venue="upbit", asset="XRP", network="XRP", address="rX", memo="77"),
    quantity=Decimal("100.5"),
    network_fee=Decimal("0.20"),
    client_withdrawal_id="kw1",
)


def test_a_withdrawal_includes_the_fee_and_names_network_and_memo() -> None:
    """The origin swapped memo and network in a withdrawal call."""
    assert dict(build.withdraw(REQUEST).params) == {
        "coin": "XRP",
        "withdrawOrderId": "kw1",
        "network": "XRP",
        "address": "rX",
        "addressTag": "77",
        "amount": "100.7",
    }


def test_a_new_withdrawal_is_pending_as_requested() -> None:
    report = transfers.applied(binance("wallet", "withdraw"), REQUEST, now=NOW)
    assert report.venue_withdrawal_id == "7213fea8e94b4a5593d507237e5a555b"
    assert (report.status, report.quantity) == (WithdrawalStatus.PENDING, Decimal("100.5"))


@pytest.mark.parametrize("body", [b"{}", b'{"id":""}', b'{"id":null}', b"[]", b""])
def test_a_withdrawal_without_an_id_is_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        transfers.applied(body, REQUEST, now=NOW)


def test_the_history_is_net_of_the_fee_and_in_utc() -> None:
    (row,) = transfers.withdrawals(binance("wallet", "withdraw_history"))
    assert (row.quantity, row.network_fee) == (Decimal("8.91"), Decimal("0.004"))
    assert row.status is WithdrawalStatus.DONE
    assert row.client_withdrawal_id == "WITHDRAWtest123"
    assert row.created_at == datetime(2019, 10, 12, 11, 12, 2, tzinfo=UTC)


@pytest.mark.parametrize("status", [1, 3, 5])
def test_a_withdrawal_that_came_back_has_failed(status: int) -> None:
    (row,) = transfers.withdrawals(binance("wallet", "withdraw_history", status=status))
    assert row.status is WithdrawalStatus.FAILED


@pytest.mark.parametrize(
    ("status", "ours"),
    [
        (0, DepositStatus.PENDING),
        (1, DepositStatus.CREDITED),
        (2, DepositStatus.FAILED),
        (6, DepositStatus.CREDITED),
        (7, DepositStatus.HELD),
        (8, DepositStatus.HELD),
    ],
)
def test_deposit_statuses_are_told_apart(status: int, ours: DepositStatus) -> None:
    (row,) = transfers.deposits(binance("wallet", "deposit_history", status=status))
    assert (row.status, row.quantity) == (ours, Decimal("0.001"))


def test_an_unknown_deposit_status_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="unknown deposit status"):
        transfers.deposits(binance("wallet", "deposit_history", status=42))


def test_an_empty_memo_is_no_memo() -> None:
    found = transfers.deposit_address(binance("wallet", "deposit_address"), "BTC", "BTC")
    assert found is not None
    assert found.memo is None


def test_the_allow_list_leaves_out_addresses_that_are_not_allowed() -> None:
    body = binance("wallet", "fetch_withdraw_address_list")
    assert len(transfers.withdrawal_addresses(body, "BTC")) == 1
    off = binance("wallet", "fetch_withdraw_address_list", whiteStatus=False)
    assert transfers.withdrawal_addresses(off, "BTC") == []


def test_an_order_is_a_marketable_limit_order_with_our_id() -> None:
    request = build.place_order(
        OrderRequest(
            market=MARKET,
            side=Side.SELL,
            quantity=Decimal("0.10000000"),
            limit_price=Decimal("97000.00"),
            client_order_id="kabc",
        )
    )
    assert dict(request.params) == {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "IOC",
        "quantity": "0.1",
        "price": "97000",
        "newClientOrderId": "kabc",
        "newOrderRespType": "FULL",
    }
    assert request.moves_money


def test_the_clock_is_read_in_milliseconds() -> None:
    at = payloads.server_time(binance("spot", "time"))
    assert at == datetime(2017, 7, 12, 2, 41, 59, 559000, tzinfo=UTC)
