"""Orders: what remains is sent again, a limit may stop a start, and never strands coins."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from cycles.domain.progress import Turn
from cycles.domain.words import CycleStatus, FailureClass
from cycles.models import Alert, Cycle, ExchangeCall, Fill, Step
from cycles.services import calling, trading, verifying
from exchanges import registry
from tests.cycles.services.acts import (
    accepted,
    balance,
    claimed,
    give_back,
    make_due,
    set_policy,
    units_until,
)
from tests.desk import TestDesk


def top(desk: TestDesk, venue: str, symbol: str) -> tuple[Decimal, Decimal]:
    """Give best bid and ask."""
    for market in desk.control("/control/markets")["markets"]:
        if (market["venue"], market["symbol"]) == (venue, symbol):
            depth = market["depth"]
            return Decimal(depth["best_bid"][0]), Decimal(depth["best_ask"][0])
    raise AssertionError(symbol)


def pin(desk: TestDesk, venue: str, symbol: str, **sides: list[list[str]]) -> None:
    """Set a book."""
    desk.control("/control/book", {"venue": venue, "symbol": symbol} | sides)


def orders(row: Cycle, kind: str) -> list[ExchangeCall]:
    """List the orders of the cycle's steps of a kind."""
    return list(ExchangeCall.objects.filter(cycle=row, step__kind=kind, operation="PLACE_ORDER"))


def test_a_settled_buy_stands_in_fills_ledger_and_step(desk: TestDesk) -> None:
    row = desk.open(notional="2000")
    give_back(units_until(desk, row, "BUY"))
    step = Step.objects.get(cycle=row, kind="BUY")
    fills = Fill.objects.filter(cycle=row)
    spent = sum((fill.notional for fill in fills), Decimal(0))
    got = sum((fill.quantity - fill.fee for fill in fills), Decimal(0))
    assert (step.quantity_in, step.quantity_out) == (spent, got)
    assert balance("binance", "XRP", "CYCLE", row) == got
    assert balance("binance", "USDT", "CYCLE", row) == 2000 - spent
    assert step.reference_price == top(desk, "binance", "XRPUSDT")[1]
    assert verifying.verify_ledger().matches_venues


def test_what_remains_of_a_partial_fill_is_sent_again_as_a_new_attempt(desk: TestDesk) -> None:
    desk.fault(fault="F13", venue="binance", times=2)
    row = desk.open()
    give_back(units_until(desk, row, "BUY"))
    sent = orders(row, "BUY")
    assert [call.attempt for call in sent] == [1, 2, 3]
    assert set(accepted(desk, "binance").values()) == {1}
    assert balance("binance", "USDT", "CYCLE", row) < Decimal(20)
    assert verifying.verify_ledger().matches_venues


def test_an_order_without_a_fill_is_tried_again_and_leaves_no_fill(desk: TestDesk) -> None:
    desk.fault(fault="F14", venue="binance", times=1)
    row = desk.open()
    lease = desk.lease(row)
    desk.unit(lease)
    assert orders(row, "BUY")[0].is_settled
    assert not Fill.objects.filter(cycle=row).exists()
    assert balance("binance", "USDT", "CYCLE", row) == 2000
    give_back(lease)
    give_back(units_until(desk, row, "BUY"))
    assert len(orders(row, "BUY")) == 2
    assert set(accepted(desk, "binance").values()) == {1}


def test_a_book_that_never_fills_ends_on_the_ladder_and_each_retry_has_its_orders_anew(
    desk: TestDesk,
) -> None:
    desk.fault(fault="F14", venue="binance")
    row = desk.open()
    desk.step(row)
    assert (row.status, row.failure_class) == ("RETRY_PENDING", FailureClass.SLIPPAGE_LIMIT)
    assert len(orders(row, "BUY")) == trading.MAX_ATTEMPTS
    desk.control("/control/faults", method="DELETE")
    make_due(row)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert len(orders(row, "BUY")) == trading.MAX_ATTEMPTS + 1


def test_coins_that_did_not_sell_are_sold_after_the_retry(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(fault="F14", venue="upbit")
    desk.drive_until(row, "RETRY_PENDING")
    assert row.failure_class == FailureClass.SLIPPAGE_LIMIT
    desk.control("/control/faults", method="DELETE")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert balance("upbit", "XRP", "CYCLE", row) < 10


def test_the_slippage_limit_stops_a_passage_before_it_begins(desk: TestDesk) -> None:
    ask = top(desk, "binance", "XRPUSDT")[1]
    row = desk.open()
    pin(
        desk, "binance", "XRPUSDT",
        bids=[[str(ask - 1), "1"]], asks=[[str(ask), "1"], [str(ask * 2), "1000000"]],
    )  # fmt: skip
    progress = desk.unit(desk.lease(row))
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.SLIPPAGE_LIMIT)
    assert desk.posts("binance", "/api/v3/order") == 0


def test_coins_in_hand_are_sold_through_any_book_with_a_widening_limit_and_an_alert(
    desk: TestDesk,
) -> None:
    set_policy(max_slippage_bps=Decimal(20), max_open_cycles=9)
    row = desk.open()
    give_back(units_until(desk, row, "DEPOSIT", "upbit"))
    bid = top(desk, "upbit", "KRW-XRP")[0]
    pin(
        desk, "upbit", "KRW-XRP",
        bids=[[str(bid), "1"], [str((bid * Decimal("0.985")).quantize(Decimal(1))), "1000000"]],
        asks=[[str(bid + 1), "1"], [str(bid + 9), "1"]],  # a unit pairs a bid with an ask
    )  # fmt: skip
    desk.fault(fault="F14", venue="upbit", times=8)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    limits = [Decimal(call.request["limit_price"]) for call in orders(row, "SELL")]
    assert limits == sorted(limits, reverse=True)
    assert len(set(limits)) > 3
    assert Alert.objects.filter(cycle=row, title__contains="wider limit").count() == 1
    assert balance("upbit", "XRP", "CYCLE", row) < 10


ORDERS: dict[str, Any] = {
    "venue": "binance",
    "method": "POST",
    "path_regex": "/api/v3/order$",
    "when": "once",
}
TOLD_TO_WAIT: dict[str, Any] = {"kind": "429", "seconds": 7}


def test_a_refusal_takes_its_class_and_moves_nothing(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(fault="F22", **ORDERS)
    lease = desk.lease(row)
    progress = desk.unit(lease)
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.REFUSED_FUNDS)
    assert balance("binance", "USDT", "CYCLE", row) == 2000
    assert accepted(desk, "binance") == {}
    give_back(lease)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")


def test_an_order_that_the_limiter_turns_away_costs_time_and_no_retry(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(fault="F18", args=TOLD_TO_WAIT, **ORDERS)
    lease = desk.lease(row)
    progress = desk.unit(lease)
    assert (progress.turn, progress.wait) == (Turn.WAIT, timedelta(seconds=7))
    (call,) = ExchangeCall.objects.filter(cycle=row)
    assert (call.outcome, call.refusal_reason) == ("NOT_SENT", "throttled")
    give_back(lease)
    row.refresh_from_db()
    assert (row.status, row.retry_count) == ("STARTED", 0)


def test_while_the_venue_wants_us_to_wait_nothing_is_even_intended(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(fault="F18", args=TOLD_TO_WAIT, **ORDERS)
    lease = desk.lease(row)
    waits = [desk.unit(lease).turn for _ in range(3)]
    assert waits == [Turn.WAIT] * 3
    assert ExchangeCall.objects.filter(cycle=row).count() == 1
    assert desk.posts("binance", "/api/v3/order") == 1
    give_back(lease)


def test_people_hear_of_an_order_that_is_turned_away_again_and_again(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calling, "TURNED_AWAY_OFTEN", 2)
    monkeypatch.setattr(registry, "demand_open", lambda venue, operation: None)
    row = desk.open()
    many: dict[str, Any] = {"status": 429, "json": {"code": -1015, "msg": ""}}
    desk.fault(fault="F3", args=many, **{**ORDERS, "when": "always"})
    lease = desk.lease(row)
    for told in (0, 1, 1):
        assert desk.unit(lease).turn is Turn.WAIT
        assert Alert.objects.filter(title__contains="turns its PLACE_ORDER away").count() == told
    give_back(lease)


def test_orders_that_never_got_there_widen_no_limit(desk: TestDesk) -> None:
    """A sale may slip further with each order that did not fill; the limiter says nothing of the book."""
    row = desk.open()
    give_back(units_until(desk, row, "DEPOSIT", "upbit"))
    turned_away = {"status": 429, "json": {"error": {"name": "too_many_requests", "message": ""}}}
    rule: dict[str, Any] = {
        "venue": "upbit",
        "method": "POST",
        "path_regex": "/orders$",
        "times": 2,
    }
    desk.fault(fault="F3", args=turned_away, **rule)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    limits = {Decimal(call.request["limit_price"]) for call in orders(row, "SELL")}
    assert len(orders(row, "SELL")) == 3
    assert len(limits) == 1
    row.refresh_from_db()
    assert row.retry_count == 0


def test_a_book_that_cannot_be_read_sends_nothing(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(fault="F3", venue="binance", method="GET", path_regex="/depth")
    progress = desk.unit(claimed(row))
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.TRANSIENT)
    assert not ExchangeCall.objects.exists()


def test_too_small_a_remainder_is_dust_and_posted_as_such(desk: TestDesk) -> None:
    row = desk.drive_until(desk.open(), "COMPLETED")
    assert row.status == CycleStatus.COMPLETED
    dust = [balance(venue, asset, "DUST") for venue in ("binance", "upbit") for asset in ("XRP",)]
    assert all(quantity * 5000 < 20_000 for quantity in dust)
    assert verifying.verify_ledger().matches_venues


def test_who_has_been_turned_away_a_thousand_times_still_goes_on(desk: TestDesk) -> None:
    row = desk.open()
    lease = desk.lease(row)
    Step.objects.filter(cycle=row, kind="BUY").update(attempt=999)
    assert desk.unit(lease).turn is Turn.GO_ON
    assert Step.objects.get(cycle=row, kind="BUY").state == "DONE"
    assert ExchangeCall.objects.get(cycle=row).attempt == 1000
