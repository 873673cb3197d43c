"""Bithumb's replies become exact values, or nothing at all."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from exchanges.adapters.bithumb import build, payloads, rules, transfers
from exchanges.adapters.bithumb.payloads import WORDS
from exchanges.adapters.krw import books, wallets
from exchanges.adapters.krw.transfers import allowed_addresses, deposits, withdrawal
from exchanges.transport.decoding import UnreadableError
from exchanges.values import (
    DepositAddress,
    DepositStatus,
    Market,
    MarketRules,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Side,
    WithdrawalRequest,
    WithdrawalStatus,
)
from tests.exchanges.payloads import bithumb_private

NOW = datetime(2026, 11, 20, 7, tzinfo=UTC)
BTC = Market("BTC", "KRW")
DONE = "GET /v1/order done"
REQUEST = OrderRequest(
    market=BTC,
    side=Side.BUY,
    quantity=Decimal("0.00100"),
    limit_price=Decimal("1.4E+8"),
    client_order_id="kimp-1",
)
COIN_ADDRESSES = "GET /v1/withdraws/coin_addresses"


def found(name: str, asked_for: str = "kimp-1", **changes: Any) -> OrderReport:
    return payloads.found_order(bithumb_private(name, **changes), client_order_id=asked_for)


def test_a_done_order_shows_its_fills_with_the_fee_shared_out_exactly() -> None:
    report = found(DONE)
    assert (report.status, report.side, report.market) == (OrderStatus.FILLED, Side.BUY, BTC)
    assert report.is_final
    assert [fill.notional for fill in report.fills] == [Decimal(84000), Decimal("55999.6")]
    assert sum(fill.fee for fill in report.fills) == Decimal("55.99984")
    assert report.fills[0].at == datetime(2026, 11, 20, 6, 30, 48, tzinfo=UTC)


def test_a_done_order_with_a_rest_was_an_immediate_one_and_is_closed() -> None:
    report = found("GET /v1/order rest of an ioc cancelled", "kimp-2")
    assert (report.status, report.is_final) == (OrderStatus.CLOSED, True)
    assert (report.quantity, report.executed_quantity) == (Decimal("0.002"), Decimal("0.001"))


def test_a_cancelled_order_keeps_its_fills() -> None:
    report = found("GET /v1/order cancel with fills", "kimp-3")
    assert (report.status, report.is_final) == (OrderStatus.CLOSED, True)
    assert len(report.fills) == 2


def test_a_done_order_of_which_nothing_executed_is_closed_if_all_of_it_is_left() -> None:
    report = found(DONE, executed_volume="0", remaining_volume="0.001", trades=[], paid_fee="0")
    assert (report.status, report.is_final, report.fills) == (OrderStatus.CLOSED, True, ())


def test_a_done_order_that_says_neither_is_read_again() -> None:
    report = found(DONE, executed_volume="0", remaining_volume="0", trades=[])
    assert (report.status, report.is_final) == (OrderStatus.OPEN, False)


@pytest.mark.parametrize("state", ["wait", "watch"])
def test_an_order_on_the_book_is_open(state: str) -> None:
    assert found(DONE, state=state, executed_volume="0", trades=[]).status is OrderStatus.OPEN


def test_an_order_whose_trades_are_not_all_shown_is_not_final() -> None:
    assert not found(DONE, volume="0.002", executed_volume="0.002").is_final


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "foo"},
        {"side": "hold"},
        {"uuid": ""},
        {"uuid": None},
        {"client_order_id": "another"},
        {"executed_volume": "NaN"},
        {"market": "BTC"},
        {"trades": [{"price": "1"}]},
    ],
    ids=str,
)
def test_an_order_that_makes_no_sense_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError):
        found(DONE, **changes)


def test_an_older_order_without_our_id_is_read() -> None:
    assert found(DONE, client_order_id=None).client_order_id == "kimp-1"


def test_a_taken_order_is_open_with_what_was_asked_for() -> None:
    report = payloads.placed_order(bithumb_private("POST /v2/orders (201)"), REQUEST)
    assert report.venue_order_id == "C0101000000001799653"
    assert (report.status, report.quantity, report.fills) == (
        OrderStatus.OPEN,
        REQUEST.quantity,
        (),
    )
    assert report.created_at == datetime(2026, 11, 20, 6, 30, 47, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [{"order_id": ""}, {"order_id": None}, {"client_order_id": "other"}, {"market": "KRW-XRP"}],
    ids=str,
)
def test_a_reply_about_another_order_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError):
        payloads.placed_order(bithumb_private("POST /v2/orders (201)", **changes), REQUEST)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"<html>", b"null", b'{"order_id": "half'])
def test_a_body_that_is_no_order_never_becomes_one(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        payloads.placed_order(body, REQUEST)
    with pytest.raises(UnreadableError):
        payloads.found_order(body, client_order_id="kimp-1")


def test_an_order_is_sent_to_v2_as_plain_decimal_strings() -> None:
    request = build.place_order(REQUEST)
    assert (request.method, request.path, request.moves_money) == ("POST", "/v2/orders", True)
    assert dict(request.params) == {
        "market": "KRW-BTC",
        "side": "bid",
        "order_type": "limit",
        "volume": "0.001",
        "price": "140000000",
        "time_in_force": "ioc",
        "client_order_id": "kimp-1",
    }


def test_an_order_is_cancelled_at_v2_by_our_id_alone() -> None:
    request = build.cancel_order("kabc")
    assert (request.method, request.path) == ("DELETE", "/v2/order")
    assert request.params == (("client_order_id", "kabc"),)


def test_a_book_of_bare_numbers_keeps_every_digit() -> None:
    book = books.book(
        bithumb_private("GET /v1/orderbook"), "bithumb", BTC, depth=2, received_at=NOW
    )
    assert [level.price for level in book.asks] == [Decimal(148520000), Decimal(148530000)]
    assert str(book.bids[0].quantity) == "0.0421"


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("PROCESSING", WithdrawalStatus.PENDING),
        ("processing", WithdrawalStatus.PENDING),
        ("DONE", WithdrawalStatus.DONE),
        ("CANCELLED", WithdrawalStatus.FAILED),
    ],
)
def test_a_withdrawals_state_is_read_in_any_case(state: str, status: WithdrawalStatus) -> None:
    report = withdrawal(bithumb_private("POST /v1/withdraws/coin (201)", state=state), WORDS)
    assert (report.status, report.quantity, report.network_fee) == (
        status,
        Decimal(1000),
        Decimal(1),
    )
    assert report.venue == "bithumb"


@pytest.mark.parametrize(
    "changes", [{"uuid": 9000000012}, {"uuid": "", "withdrawal_id": "9000000012"}], ids=str
)
def test_a_withdrawals_id_is_text_however_it_is_named(changes: dict[str, Any]) -> None:
    report = withdrawal(bithumb_private("POST /v1/withdraws/coin (201)", **changes), WORDS)
    assert report.venue_withdrawal_id == "9000000012"


@pytest.mark.parametrize("changes", [{"state": "FOO"}, {"uuid": ""}, {"amount": None}], ids=str)
def test_a_withdrawal_that_makes_no_sense_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(UnreadableError):
        withdrawal(bithumb_private("POST /v1/withdraws/coin (201)", **changes), WORDS)


@pytest.mark.parametrize(
    ("state", "status"),
    [
        ("REQUESTED_PENDING", DepositStatus.HELD),
        ("REQUESTED_ADMIN_REJECTED", DepositStatus.HELD),
        ("DEPOSIT_PROCESSING", DepositStatus.PENDING),
        ("DEPOSIT_ACCEPTED", DepositStatus.CREDITED),
        ("DEPOSIT_CANCELLED", DepositStatus.FAILED),
        ("REFUNDED_ACCEPTED", DepositStatus.FAILED),
        ("REFUNDED_CANCELLED", DepositStatus.HELD),
        ("ACCEPTED", DepositStatus.CREDITED),
        ("PROCESSING", DepositStatus.PENDING),
    ],
)
def test_only_an_accepted_deposit_is_credited(state: str, status: DepositStatus) -> None:
    row = bithumb_private("GET /v1/deposits", state=state)
    (report,) = deposits(b"[" + row + b"]", WORDS)
    assert (report.status, report.detail, report.quantity) == (status, state, Decimal(999))


def destination(**changes: Any) -> DepositAddress:
    told = {
        "venue": "binance",
        "asset": "XRP",
        "network": "XRP",
        "address": "rEb8TK3gBgk5auZkwc6sHnwrGVJH8DuaLh",
        "memo": "123456",
    }
    return DepositAddress(**{**told, **changes})


def test_a_destination_is_found_on_the_list_only_as_it_is_whole() -> None:
    rows = allowed_addresses(bithumb_private(COIN_ADDRESSES), "XRP")
    assert transfers.allowed_row(rows, destination()) is rows[0]
    for changes in ({"memo": None}, {"memo": "1"}, {"network": "BSC"}, {"address": "r"}):
        assert transfers.allowed_row(rows, destination(**changes)) is None


PERSON = {"owner_type": "personal", "owner_ko_name": "홍", "owner_en_name": "HONG"}
COMPANY = {"owner_type": "corporation", "owner_corp_ko_name": "김프", "owner_corp_en_name": "KIMP"}


@pytest.mark.parametrize(
    ("told", "sent"),
    [
        (
            PERSON,
            {"receiver_type": "personal", "receiver_ko_name": "홍", "receiver_en_name": "HONG"},
        ),
        ({**PERSON, "owner_en_name": None}, {}),
        ({**PERSON, "owner_type": "somebody"}, {}),
        ({"owner_type": None}, {}),
        (
            {**PERSON, **COMPANY},
            {
                "receiver_type": "corporation",
                "receiver_ko_name": "홍",
                "receiver_en_name": "HONG",
                "receiver_corp_ko_name": "김프",
                "receiver_corp_en_name": "KIMP",
            },
        ),
        ({**PERSON, **COMPANY, "owner_corp_en_name": ""}, {}),
    ],
    ids=["person", "half a person", "unknown kind", "nobody", "company", "half a company"],
)
@pytest.mark.parametrize("exchange", ["BINANCE", None])
def test_a_receiver_is_named_whole_or_not_at_all(
    told: dict[str, Any], sent: dict[str, str], exchange: str | None
) -> None:
    body = bithumb_private(COIN_ADDRESSES, **{"currency": "XRP", "exchange_name": exchange, **told})
    named = build.receiver(allowed_addresses(body, "XRP")[0])
    assert dict(named) == {**({"exchange_name": exchange} if exchange else {}), **sent}


def test_a_withdrawal_names_network_address_and_memo_and_excludes_the_fee() -> None:
    (row,) = allowed_addresses(bithumb_private(COIN_ADDRESSES), "XRP")
    request = build.withdraw(
        WithdrawalRequest(
            destination=destination(),
            quantity=Decimal("100.50"),
            network_fee=Decimal(1),
            client_withdrawal_id="kw",
        ),
        row,
    )
    assert request.params[:5] == (
        ("currency", "XRP"),
        ("net_type", "XRP"),
        ("amount", "100.5"),
        ("address", destination().address),
        ("secondary_address", "123456"),
    )
    assert (request.path, request.moves_money) == ("/v1/withdraws/coin", True)


def market_rules(price: str, unit: str | None, state: str = "active") -> MarketRules:
    body = json.loads(bithumb_private("GET /v1/orders/chance"))
    for side in ("bid", "ask"):
        body["market"][side]["price_unit"] = unit
    body["market"]["state"] = state
    ticker = bithumb_private("GET /v1/ticker", trade_price=json.loads(price))
    return rules.market_rules(BTC, chance=json.dumps(body).encode(), ticker=ticker, now=NOW)


@pytest.mark.parametrize("unit", ["1000", "1", None])
def test_the_documented_price_steps_hold_unless_the_venue_tells_a_coarser_one(
    unit: str | None,
) -> None:
    told = market_rules("148520000", unit)
    steps = {price: told.price_step(Decimal(price)) for price in ("148520000", "999999", "99", "9")}
    assert steps == {
        "148520000": 1000,
        "999999": 500,
        "99": Decimal("0.01"),
        "9": Decimal("0.001"),
    }
    assert (told.taker_fee_rate, told.minimum_notional) == (Decimal("0.0004"), Decimal(5000))
    assert told.buy_fee_in_quote
    assert told.is_open


def test_a_coarser_step_than_documented_holds_flat() -> None:
    assert market_rules("1399", "5").price_steps == ((Decimal(0), Decimal(5)),)


def test_a_market_that_is_not_active_is_closed() -> None:
    assert not market_rules("148520000", "1000", state="suspended").is_open


@pytest.mark.parametrize(
    ("changes", "state", "is_open"),
    [
        ({}, "working", (True, True)),
        ({}, "withdraw_only", (True, False)),
        ({}, "deposit_only", (False, True)),
        ({}, "paused", (False, False)),
        ({"can_withdraw": False}, "working", (False, True)),
    ],
)
def test_networks_are_open_only_if_every_source_agrees(
    changes: dict[str, Any], state: str, is_open: tuple[bool, bool]
) -> None:
    body = json.loads(bithumb_private("GET /v1/withdraws/chance"))
    body["withdraw_limit"].update(changes)
    told = rules.network_rules("XRP", "XRP", state, withdraw=json.dumps(body).encode(), now=NOW)
    assert (told.withdraw_is_open, told.deposit_is_open) == is_open
    assert (told.withdraw_fee, told.withdraw_minimum) == (Decimal(1), Decimal(2))
    assert (told.withdraw_step, told.confirmations) == (Decimal("0.000001"), None)
    assert told.memo_is_required


def test_a_wallet_without_a_network_is_left_out() -> None:
    body = bithumb_private("GET /v1/status/wallet")
    assert wallets.wallets(body, "XRP") == {"XRP": "working"}
    assert wallets.wallets(body, "BTC") == {}
