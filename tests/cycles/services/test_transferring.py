"""Transfers: given back, stuck, refused, held, and credited for what they are."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from cycles.domain import postings
from cycles.domain.progress import Turn
from cycles.domain.words import CallOutcome, CycleStatus, FailureClass, PostingKind
from cycles.models import Alert, Cycle, ExchangeCall, Retry, Step, VenueWatch
from cycles.services import booking, moving, refreshing, settling, verifying
from cycles.services.locking import lock_cycle
from exchanges import registry
from exchanges.models import TransferRoute
from exchanges.values import DepositReport, DepositStatus
from tests.cycles.services import acts
from tests.cycles.services.acts import (
    balance,
    claimed,
    fail,
    give_back,
    units_until,
    withdrawals,
)
from tests.desk import TestDesk, eventually

SENDING = "/sapi/v1/capital/withdraw/apply"


def bought(desk: TestDesk) -> Cycle:
    """Open a cycle and let it buy."""
    row = desk.open()
    give_back(units_until(desk, row, "BUY"))
    return row


def sent(row: Cycle) -> list[ExchangeCall]:
    """List the cycle's withdrawals."""
    return list(ExchangeCall.objects.filter(cycle=row, operation="WITHDRAW"))


@pytest.mark.parametrize("ending", ["reject", "fail", "cancel"])
def test_a_withdrawal_given_back_is_undone_in_the_ledger_and_tried_anew(
    desk: TestDesk, ending: str
) -> None:
    row = bought(desk)
    held = balance("binance", "XRP", "CYCLE", row)
    desk.fault(fault="F27", venue="binance", args={"value": ending}, when="once")
    desk.drive_until(row, "RETRY_PENDING")
    assert row.failure_class == FailureClass.WALLET_CLOSED
    assert balance("binance", "XRP", "CYCLE", row) == held
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == 0
    assert verifying.verify_ledger().matches_venues
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert [call.attempt for call in sent(row)] == [1, 2]
    assert [one["state"] == "done" for one in withdrawals(desk, "binance")] == [False, True]
    assert verifying.verify_ledger().matches_venues


def test_what_is_under_way_counts_as_in_flight_not_as_lost(desk: TestDesk) -> None:
    row = bought(desk)
    desk.fault(fault="F28", venue="binance", when="once")
    desk.step(row)
    (call,) = sent(row)
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == Decimal(call.report["quantity"])
    assert desk.posts("binance", SENDING) == 1
    assert verifying.verify_ledger().matches_venues


@pytest.mark.parametrize(
    ("under_way", "venue", "reads"),
    [
        ("BUY", "binance", "/sapi/v1/capital/withdraw/history"),
        ("WITHDRAW", "upbit", "/v1/deposits"),
    ],
)
def test_a_venue_that_tells_nothing_for_long_kills_no_cycle_whose_coins_are_under_way(
    desk: TestDesk, under_way: str, venue: str, reads: str
) -> None:
    row = desk.open()
    lease = units_until(desk, row, under_way)
    if under_way == "BUY":
        desk.unit(lease)  # it is sent
    give_back(lease)
    desk.fault(
        venue=venue, method="GET", path_regex=reads, phase="before", action="status",
        args={"status": 503},
    )  # fmt: skip
    failures = VenueWatch.objects.filter(venue=venue, failures__gte=2)
    eventually(lambda: desk.step(row).status != CycleStatus.STARTED or failures.exists())
    assert (row.status, row.retry_count) == (CycleStatus.STARTED, 0)
    assert not Retry.objects.exists()
    desk.control("/control/faults", method="DELETE")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")


def test_a_stuck_withdrawal_is_told_once_and_nothing_is_assumed(desk: TestDesk) -> None:
    row = bought(desk)
    desk.fault(fault="F28", venue="binance", when="once")
    desk.step(row)
    assert not Alert.objects.filter(key__startswith="overdue").exists()
    TransferRoute.objects.update(expected_seconds=0, overdue_seconds=0)
    for _ in range(3):
        desk.step(row)
    alert = Alert.objects.get(key__startswith="overdue")
    assert "TRANSFER_OVERDUE" in alert.body
    assert row.status == CycleStatus.STARTED
    assert desk.posts("binance", SENDING) == 1
    (stuck,) = withdrawals(desk, "binance")
    release = {"action": "release", "withdrawal_id": stuck["venue_withdrawal_id"]}
    desk.control("/control/chain", release)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert desk.posts("binance", SENDING) == 1


@pytest.mark.parametrize(
    "shut", [{"venue": "binance", "withdraw": False}, {"venue": "upbit", "deposit": False}]
)
def test_a_closed_wallet_at_either_end_stops_the_withdrawal(
    desk: TestDesk, shut: dict[str, object]
) -> None:
    row = bought(desk)
    desk.control("/control/wallet", shut | {"asset": "XRP", "network": "XRP"})

    def is_known() -> bool:
        """Say whether the venue's own status tells it by now (Upbit's lags)."""
        refreshing.refresh_markets(registry.utc_now())
        progress = desk.unit(lease)
        return bool(progress.failure == FailureClass.WALLET_CLOSED and progress.turn is Turn.FAIL)

    lease = desk.lease(row)
    refreshing.refresh_markets(registry.utc_now())
    eventually(is_known)
    assert desk.posts("binance", SENDING) == 0


def test_coins_go_to_registered_addresses_only(desk: TestDesk) -> None:
    row = bought(desk)
    acts.retire(venue="upbit", asset="XRP")
    desk.step(row)
    assert (row.status, row.failure_class) == (CycleStatus.DEAD_LETTER, FailureClass.POLICY_DENIED)
    assert "no confirmed address" in row.failure_reason
    assert desk.posts("binance", SENDING) == 0


def test_what_was_sent_carries_the_memo_as_memo(desk: TestDesk) -> None:
    row = bought(desk)
    desk.step(row)
    (call,) = sent(row)
    (there,) = withdrawals(desk, "binance")
    assert call.destination is not None
    assert there["address"] == call.destination.address
    assert there["tag"] == call.destination.memo
    assert there["network"] == call.destination.network
    assert "address" not in call.report


def credit(row: Cycle, quantity: str, sent_quantity: str = "100") -> Decimal:
    """Settle a deposit of another quantity than was sent."""
    step = Step.objects.get(cycle=row, kind="DEPOSIT")
    report = DepositReport(
        venue="upbit", venue_deposit_id="d1", asset="XRP", network="XRP",
        quantity=Decimal(quantity), status=DepositStatus.CREDITED, txid="t", detail="",
        created_at=None,
    )  # fmt: skip
    with transaction.atomic():
        locked = moving.lock_for_operator(row.pk, seen_version=row.version)
        return settling.settle_credit(locked, step, [report], sent=Decimal(sent_quantity))


@pytest.mark.parametrize(("quantity", "suspense"), [("99", 1), ("101", -1), ("100", 0)])
def test_a_credit_is_settled_for_what_it_is(desk: TestDesk, quantity: str, suspense: int) -> None:
    row = bought(desk)
    lines = postings.sent_lines(
        "binance", "upbit", "XRP", quantity=Decimal(100), network_fee=Decimal(0)
    )
    booking.post("sent", PostingKind.FILL, lines, cycle=row)
    difference = credit(row, quantity)
    assert difference == suspense
    assert balance("upbit", "XRP", "SUSPENSE", row) == suspense
    assert balance("upbit", "XRP", "CYCLE", row) == Decimal(quantity)
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == 0


def test_a_mismatch_is_a_dead_letter_at_once(desk: TestDesk) -> None:
    row = fail(bought(desk), FailureClass.CREDIT_MISMATCH)
    assert row.status == CycleStatus.DEAD_LETTER


def test_a_settled_withdrawal_is_settled_once(desk: TestDesk) -> None:
    row = bought(desk)
    desk.fault(fault="F28", venue="binance", when="once")
    lease = claimed(row)
    desk.unit(lease)
    (call,) = sent(row)
    assert (call.outcome, call.is_settled) == (CallOutcome.DONE, True)
    before = balance("upbit", "XRP", "IN_FLIGHT", row)
    report = registry.venue("binance").withdrawals(
        "XRP", since=call.intended_at - timedelta(minutes=1)
    )
    with transaction.atomic():
        settling.settle_sent(lock_cycle(row.pk), call, report[0])
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == before
