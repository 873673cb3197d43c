"""Upbit's replies become exact values, or nothing at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from exchanges.adapters.krw import books, transfers, wallets
from exchanges.adapters.krw.orders import shares_of_fee
from exchanges.adapters.upbit import build, payloads, rules
from exchanges.adapters.upbit.payloads import WORDS
from exchanges.transport.decoding import UnreadableError
from exchanges.values import (
    DepositAddress,
    DepositStatus,
    Level,
    Market,
    MarketRules,
    OrderRequest,
    OrderStatus,
    Side,
    WithdrawalRequest,
    WithdrawalStatus,
)
from tests.exchanges.payloads import upbit_private, upbit_public

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
BTC, XRP = Market("BTC", "KRW"), Market("XRP", "KRW")
DONE = "GET /v1/order done"
CANCELLED = "GET /v1/order market buy ended as cancel with fills"


def test_a_done_order_shows_its_fills_with_the_fee_shared_out_exactly() -> None:
    report = payloads.found_order(upbit_private(DONE), client_order_id="kimp-1")
    assert (report.status, report.side, report.market) == (OrderStatus.FILLED, Side.BUY, BTC)
    assert report.is_final
    assert [fill.notional for fill in report.fills] == [Decimal(84000), Decimal("55999.6")]
    assert sum(fill.fee for fill in report.fills) == Decimal(70)
    assert {fill.fee_asset for fill in report.fills} == {"KRW"}
    assert report.fills[0].at == datetime(2026, 11, 20, 6, 30, 48, tzinfo=UTC)
    assert report.created_at == datetime(2026, 11, 20, 6, 30, 47, tzinfo=UTC)


def test_a_cancelled_order_with_fills_is_closed_and_final() -> None:
    report = payloads.found_order(upbit_private(CANCELLED), client_order_id="kimp-2")
    assert report.status is OrderStatus.CLOSED
    assert report.is_final
    assert report.executed_quantity == Decimal("31.74603174")
    assert report.fills[0].notional == Decimal("99999.999981")
    assert report.fills[0].fee == Decimal("49.9999999905")


def test_a_cancelled_order_without_fills_is_final_and_empty() -> None:
    body = upbit_private(CANCELLED, executed_volume="0", trades=[], paid_fee="0")
    report = payloads.found_order(body, client_order_id="kimp-2")
    assert (report.is_final, report.fills) == (True, ())


def test_an_order_whose_trades_are_not_all_shown_is_not_final() -> None:
    body = upbit_private(DONE, executed_volume="0.002")
    assert not payloads.found_order(body, client_order_id="kimp-1").is_final


@pytest.mark.parametrize("state", ["wait", "done", "cancel"])
def test_a_new_order_that_shows_no_fills_counts_as_open(state: str) -> None:
    body = upbit_private("POST /v1/orders (201)", state=state)
    report = payloads.placed_order(body, client_order_id="kimp-1")
    assert report.status is OrderStatus.OPEN
    assert not report.is_final


def test_null_and_absent_fields_are_read_as_nothing() -> None:
    body = b'{"uuid":"u","side":"ask","state":"wait","market":"KRW-XRP","volume":null,"new":[1]}'
    report = payloads.found_order(body, client_order_id="kimp-1")
    assert not (report.quantity)
    assert not (report.executed_quantity)
    assert report.fills == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "foo"},
        {"side": "hold"},
        {"uuid": None},
        {"uuid": ""},
        {"identifier": "another"},
        {"executed_volume": "NaN"},
        {"executed_volume": "Infinity"},
        {"executed_volume": "1e999"},
        {"market": "BTC"},
        {"trades": [{"price": "1"}]},
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError):
        payloads.found_order(upbit_private(DONE, **changes), client_order_id="kimp-1")


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b"null", b'{"uuid": "half'])
def test_a_body_that_is_no_order_never_becomes_one(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        payloads.placed_order(body, client_order_id="kimp-1")


@given(
    fee=st.decimals(0, 10**9, places=10, allow_nan=False),
    notionals=st.lists(
        st.decimals("0.00000001", 10**10, places=8, allow_nan=False), min_size=1, max_size=20
    ),
)
def test_shares_of_a_fee_add_up_to_it_exactly(fee: Decimal, notionals: list[Decimal]) -> None:
    shares = shares_of_fee(fee, notionals)
    assert sum(shares) == fee
    assert all(share >= 0 for share in shares)


def test_a_book_keeps_every_digit() -> None:
    book = books.book(upbit_public("GetOrderBook"), "upbit", BTC, depth=30, received_at=NOW)
    assert book.asks[0].price == Decimal(148520000)
    assert book.bids[13].quantity == Decimal("0.0000674")
    assert str(book.bids[0].quantity) == "0.04296774"
    assert book.venue_at == datetime(2025, 7, 4, 5, 27, 47, 762000, tzinfo=UTC)
    assert [level.price for level in book.bids] == sorted(
        (level.price for level in book.bids), reverse=True
    )


def test_a_book_is_cut_to_the_depth_and_leaves_empty_levels_out() -> None:
    body = (
        b'[{"market":"KRW-XRP","orderbook_units":['
        b'{"ask_price":"3","bid_price":2,"ask_size":"0","bid_size":1.10},'
        b'{"ask_price":4,"bid_price":1,"ask_size":1,"bid_size":"5"}]}]'
    )
    book = books.book(body, "upbit", XRP, depth=1, received_at=NOW)
    assert book.asks == (Level(Decimal(4), Decimal(1)),)
    assert book.bids == (Level(Decimal(2), Decimal("1.10")),)


def test_a_book_of_another_market_is_unreadable() -> None:
    with pytest.raises(UnreadableError):
        books.book(upbit_public("GetOrderBook"), "upbit", XRP, depth=5, received_at=NOW)


def test_balances_are_free_and_locked() -> None:
    held = books.balances(upbit_private("GET /v1/accounts"))
    assert (held["KRW"].free, held["KRW"].locked) == (Decimal(1000000), Decimal(140070))
    assert held["XRP"].free == Decimal("31.74603174")


def test_a_new_withdrawal_is_pending_and_net_of_the_fee() -> None:
    report = transfers.withdrawal(upbit_private("POST /v1/withdraws/coin (201)"), WORDS)
    assert (report.quantity, report.network_fee) == (Decimal(1000), Decimal("0.4"))
    assert (report.status, report.txid) == (WithdrawalStatus.PENDING, None)
    assert report.client_withdrawal_id is None


def test_a_done_withdrawal_names_its_transaction() -> None:
    report = transfers.withdrawal(upbit_private("GET /v1/withdraw done"), WORDS)
    assert report.status is WithdrawalStatus.DONE
    assert report.txid
    assert report.txid.startswith("98c159")


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "REJECTED"])
def test_a_withdrawal_that_came_back_has_failed(state: str) -> None:
    report = transfers.withdrawal(upbit_private("GET /v1/withdraw done", state=state), WORDS)
    assert report.status is WithdrawalStatus.FAILED


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("PROCESSING", DepositStatus.PENDING),
        ("ACCEPTED", DepositStatus.CREDITED),
        ("TRAVEL_RULE_SUSPECTED", DepositStatus.HELD),
        ("REFUNDING", DepositStatus.FAILED),
        ("REFUNDED", DepositStatus.FAILED),
    ],
)
def test_only_an_accepted_deposit_is_credited(state: str, status: DepositStatus) -> None:
    row = upbit_private("GET /v1/deposits", state=state)
    (report,) = transfers.deposits(b"[" + row + b"]", WORDS)
    assert (report.status, report.detail, report.quantity) == (status, state, Decimal(999))


def test_an_unknown_transfer_state_is_unreadable() -> None:
    with pytest.raises(UnreadableError, match="unknown withdrawal state 'FOO'"):
        transfers.withdrawal(upbit_private("GET /v1/withdraw done", state="FOO"), WORDS)


def test_a_deposit_address_keeps_its_memo() -> None:
    found = transfers.deposit_address(
        upbit_private("GET /v1/deposits/coin_address"), "upbit", "XRP", "XRP"
    )
    assert found is not None
    assert (found.address, found.memo) == ("raQwCVAJVqjrVm1Nj5SFRcX8i22BhdC9WA", "3057887915")


@pytest.mark.parametrize(
    "body", [b'{"success":true,"message":"later"}', b'{"currency":"XRP","deposit_address":null}']
)
def test_an_address_in_the_making_is_none(body: bytes) -> None:
    assert transfers.deposit_address(body, "upbit", "XRP", "XRP") is None


def test_an_address_on_another_network_is_unreadable() -> None:
    with pytest.raises(UnreadableError):
        transfers.deposit_address(
            upbit_private("GET /v1/deposits/coin_address"), "upbit", "XRP", "BSC"
        )


def test_the_allow_list_is_read_per_asset() -> None:
    body = upbit_private("GET /v1/withdraws/coin_addresses")
    (row,) = [row.as_value("upbit") for row in transfers.allowed_addresses(body, "XRP")]
    assert (row.venue, row.network, row.memo) == ("upbit", "XRP", "123456")
    assert transfers.allowed_addresses(body, "BTC") == []


def chance(state: str) -> bytes:
    side = {"currency": "KRW", "min_total": "5000"}
    market = {"state": state, "bid": side, "ask": side}
    return json.dumps({"bid_fee": "0.0005", "ask_fee": "0.0004", "market": market}).encode()


def market_rules(tick: str, price: str, state: str = "active") -> MarketRules:
    return rules.market_rules(
        BTC,
        chance=chance(state),
        instruments=upbit_private("GET /v1/orderbook/instruments", tick_size=tick),
        ticker=f'[{{"market":"KRW-BTC","trade_price":{price}}}]'.encode(),
        now=NOW,
    )


def test_the_documented_price_steps_hold_while_the_venue_agrees() -> None:
    found = market_rules("1000", "148520000.0")
    assert found.price_step(Decimal(148520000)) == 1000
    assert found.price_step(Decimal(3150)) == 1
    assert found.price_step(Decimal(999999)) == 500
    assert found.price_step(Decimal("0.00005")) == Decimal("1e-7")
    assert (found.taker_fee_rate, found.minimum_notional) == (Decimal("0.0005"), Decimal(5000))
    assert found.buy_fee_in_quote
    assert found.is_open


def test_a_market_that_deviates_has_its_own_flat_step() -> None:
    found = market_rules("0.5", "1399")
    assert found.price_steps == ((Decimal(0), Decimal("0.5")),)


def test_a_market_that_is_not_active_is_closed() -> None:
    assert not market_rules("1000", "148520000", state="paused").is_open


def test_networks_are_open_only_if_every_source_agrees() -> None:
    assert wallets.wallets(upbit_private("GET /v1/status/wallet"), "XRP") == {"XRP": "working"}
    down = upbit_private("GET /v1/status/wallet", block_state="inactive")
    assert wallets.wallets(down, "XRP") == {"XRP": "paused"}
    withdraw = b'{"currency":{"withdraw_fee":"0.4"},"withdraw_limit":{"minimum":"1","fixed":6}}'
    deposit = b'{"is_deposit_possible":false,"minimum_deposit_confirmations":5}'
    found = rules.network_rules(
        "XRP", "XRP", "working", withdraw=withdraw, deposit=deposit, now=NOW
    )
    assert (found.withdraw_is_open, found.deposit_is_open) == (True, False)
    assert (found.withdraw_fee, found.withdraw_step) == (Decimal("0.4"), Decimal("0.000001"))
    assert found.memo_is_required
    assert found.confirmations == 5


def test_an_order_is_sent_as_plain_decimal_strings() -> None:
    request = build.place_order(
        OrderRequest(
            market=XRP,
            side=Side.BUY,
            quantity=Decimal("31.740000000000000000"),
            limit_price=Decimal("3.15E+3"),
            client_order_id="kabc",
        )
    )
    assert dict(request.params) == {
        "market": "KRW-XRP",
        "side": "bid",
        "ord_type": "limit",
        "volume": "31.74",
        "price": "3150",
        "time_in_force": "ioc",
        "identifier": "kabc",
    }
    assert request.moves_money


def test_an_order_is_looked_up_by_identifier_alone() -> None:
    assert build.order("kabc").params == (("identifier", "kabc"),)
    assert build.cancel_order("kabc").params == (("identifier", "kabc"),)


def test_a_withdrawal_names_network_address_and_memo_and_excludes_the_fee() -> None:
    """The origin swapped memo and network in a withdrawal call."""
    to = DepositAddress(venue="binance", asset="XRP", network="XRP", address="rX", memo="77")
    request = build.withdraw(
        WithdrawalRequest(
            destination=to,
            quantity=Decimal("100.5"),
            network_fee=Decimal("0.4"),
            client_withdrawal_id="kw",
        )
    )
    assert dict(request.params) == {
        "currency": "XRP",
        "net_type": "XRP",
        "amount": "100.5",
        "address": "rX",
        "secondary_address": "77",
        "transaction_type": "default",
    }
