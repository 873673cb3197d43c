"""Transfers that go wrong on their way: twins, new transactions, odd deposits, closed wallets, other fees."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F, Sum

from cycles.domain import postings
from cycles.domain.progress import Turn
from cycles.domain.words import AccountOwner, CallOutcome, FailureClass, PostingKind
from cycles.models import Alert, Cycle, Entry, ExchangeCall
from cycles.services import booking, opening, refreshing, verifying
from exchanges import reference, registry
from exchanges.models import NetworkRule, TransferRoute
from tests.cycles.services.acts import (
    balance,
    each_was_sent_once,
    give_back,
    lose_worker,
    make_due,
    sent_ids,
    units_until,
    withdrawals,
)
from tests.desk import TestDesk, eventually

SENDING = {"binance": "/sapi/v1/capital/withdraw/apply", "upbit": "/v1/withdraws/coin"}


def bought(desk: TestDesk) -> Cycle:
    """Open a cycle and let it buy."""
    row = desk.open()
    give_back(units_until(desk, row, "BUY"))
    return row


def call_of(row: Cycle) -> ExchangeCall:
    """Give the cycle's one withdrawal."""
    return ExchangeCall.objects.get(cycle=row, operation="WITHDRAW")


def sent_under(desk: TestDesk, fault: str, value: str) -> Cycle:
    """Let a cycle send to Upbit under a fault of its deposit."""
    row = bought(desk)
    desk.fault(fault=fault, venue="binance", args={"value": value}, when="once")
    desk.step(row)
    return row


def steer(desk: TestDesk, row: Cycle, action: str, **more: object) -> None:
    """Do something to the cycle's transaction on its chain."""
    (there,) = withdrawals(desk, "binance")
    spec = {"withdrawal_id": there["venue_withdrawal_id"], "action": action}
    desk.control("/control/chain", spec | more)


def overdue_at_once() -> None:
    """Let every transfer be overdue from its beginning."""
    TransferRoute.objects.update(expected_seconds=0, overdue_seconds=0)


def looks(desk: TestDesk, row: Cycle, count: int = 3) -> None:
    """Look again a few times."""
    for _ in range(count):
        make_due(row)
        desk.step(row)


def test_f26_two_withdrawals_alike_at_upbit_are_a_persons_to_tell_apart(desk: TestDesk) -> None:
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    lease = units_until(desk, row, "BUY", "upbit")
    asset = row.return_asset or Cycle.objects.get(pk=row.pk).return_asset
    desk.control("/control/balances", {"venue": "upbit", "asset": asset, "credit": "100000"})
    desk.fault(fault="F26", venue="upbit", when="once")
    desk.fault(fault="F24", venue="upbit", action="rst", when="once")
    desk.unit(lease)
    progress = desk.unit(lease)
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.UNKNOWN_WITHDRAWAL)
    assert "2 withdrawals look like" in progress.reason
    assert len(withdrawals(desk, "upbit")) == 2
    assert desk.posts("upbit", SENDING["upbit"]) == 1


def test_f26_at_binance_our_own_id_tells_them_apart(desk: TestDesk) -> None:
    row = bought(desk)
    more = {"venue": "binance", "asset": "XRP", "credit": "100000"}
    desk.control("/control/balances", more)
    desk.fault(fault="F26", venue="binance", when="once")
    desk.fault(fault="F24", venue="binance", action="rst", when="once")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    twins = withdrawals(desk, "binance")
    ours = [one for one in twins if one["client_id"] == call_of(row).client_order_id]
    assert (len(twins), len(ours)) == (2, 1)
    assert call_of(row).venue_order_id == ours[0]["venue_withdrawal_id"]
    each_was_sent_once(desk)


def test_f28_a_withdrawal_broadcast_anew_is_found_under_its_new_transaction(
    desk: TestDesk,
) -> None:
    """The old one was written down already: once it is overdue the sender is asked for another."""
    row = bought(desk)
    TransferRoute.objects.update(overdue_seconds=10**9)  # however slow this machine is
    desk.control("/control/clock", {"freeze": True})
    desk.fault(fault="F29", venue="binance", args={"value": "reorg"}, when="once")
    desk.step(row)
    advance(desk, 50)  # in its first block
    looks(desk, row)
    first = call_of(row).report["txid"]
    advance(desk, 4)  # and out of it again
    steer(desk, row, "rebroadcast")
    advance(desk, 60)
    looks(desk, row)
    assert (row.status, call_of(row).report["txid"]) == ("STARTED", first)
    overdue_at_once()
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert call_of(row).report["txid"] != first
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


def advance(desk: TestDesk, seconds: int) -> None:
    """Let market time pass."""
    desk.control("/control/clock", {"advance_ms": seconds * 1000})


@pytest.mark.parametrize("value", ["late", "reorg"])
def test_f29_a_deposit_that_is_late_or_undone_once_is_credited_once_and_not_before(
    desk: TestDesk, value: str
) -> None:
    row = sent_under(desk, "F29", value)
    if value == "late":
        overdue_at_once()
        looks(desk, row, 5)
        assert balance("upbit", "XRP", "CYCLE", row) == 0
        assert balance("upbit", "XRP", "IN_FLIGHT", row) == Decimal(call_of(row).report["quantity"])
        assert Alert.objects.filter(key__startswith="overdue").count() == 1
        steer(desk, row, "resume")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == 0
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


def test_f29_how_long_a_transfer_takes_is_not_told_by_a_host_whose_clock_is_fast(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = sent_under(desk, "F29", "late")
    TransferRoute.objects.update(overdue_seconds=86_400)  # a minute and a half of the simulator's
    fast = registry.utc_now() + timedelta(hours=48)
    monkeypatch.setattr(registry, "utc_now", lambda: fast)
    looks(desk, row)
    assert not Alert.objects.filter(key__startswith="overdue").exists()


@pytest.mark.parametrize("value", ["partial", "short"])
def test_f29_a_deposit_of_less_than_was_sent_is_settled_for_what_it_is_and_told(
    desk: TestDesk, value: str
) -> None:
    row = sent_under(desk, "F29", value)
    overdue_at_once()
    desk.drive_until(row, "DEAD_LETTER")
    assert row.failure_class == FailureClass.CREDIT_MISMATCH
    sent = Decimal(call_of(row).report["quantity"])
    credited = balance("upbit", "XRP", "CYCLE", row)
    missing = sent / 2 if value == "partial" else Decimal(call_of(row).report["network_fee"])
    assert sent - credited == pytest.approx(missing, abs=Decimal("0.00000001"))
    assert balance("upbit", "XRP", "SUSPENSE", row) == sent - credited
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


def test_f29_who_dies_as_it_settles_too_small_a_deposit_leaves_its_coins_to_a_person(
    desk: TestDesk,
) -> None:
    row = sent_under(desk, "F29", "short")
    overdue_at_once()
    lease = desk.lease(row)
    eventually(lambda: desk.unit(lease).turn is Turn.FAIL)
    lose_worker(row)
    desk.drive_until(row, "DEAD_LETTER", "INITIAL_TRADE_COMPLETED")
    assert (row.status, row.failure_class) == ("DEAD_LETTER", FailureClass.CREDIT_MISMATCH)
    assert desk.posts("upbit", "/v1/orders") == 0


def test_f29_coins_credited_and_locked_abroad_are_sold_there_all_the_same(desk: TestDesk) -> None:
    """Locked means that they cannot be withdrawn: the way home ends with their sale."""
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    desk.fault(fault="F29", venue="upbit", args={"value": "locked"}, when="once")
    desk.drive_until(row, "COMPLETED")
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


@pytest.mark.parametrize("value", ["suspected", "refunded"])
def test_f30_a_deposit_that_is_held_or_sent_back_waits_for_a_person_and_is_sent_once(
    desk: TestDesk, value: str
) -> None:
    row = sent_under(desk, "F30", value)
    while row.status != "DEAD_LETTER":
        make_due(row)
        desk.step(row)
    assert row.failure_class == FailureClass.TRAVEL_RULE_HOLD
    assert balance("upbit", "XRP", "CYCLE", row) == 0
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == Decimal(call_of(row).report["quantity"])
    assert Alert.objects.filter(cycle=row, key__startswith="dead_letter").count() == 1
    assert sum(sent_ids(desk).values()) == 2  # one order, one withdrawal


def test_f30_a_deposit_with_the_wrong_tag_never_shows_and_is_told_as_overdue(
    desk: TestDesk,
) -> None:
    row = sent_under(desk, "F30", "wrong_tag")
    overdue_at_once()
    looks(desk, row, 5)
    assert row.status == "STARTED"
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == Decimal(call_of(row).report["quantity"])
    assert Alert.objects.filter(key__startswith="overdue").count() == 1
    each_was_sent_once(desk)


def rules_were_read(minutes: int) -> None:
    """Let the stored terms be older: what was read a moment ago is not read again."""
    NetworkRule.objects.update(fetched_at=F("fetched_at") - timedelta(minutes=minutes))


def test_f31_a_wallet_that_refuses_is_closed_here_whatever_its_status_says(
    desk: TestDesk, settings: Any
) -> None:
    row = bought(desk)
    settings.KIMP_TIME_SCALE = Decimal(1)
    rules_were_read(minutes=1)
    desk.fault(fault="F31", venue="binance", when="once")
    desk.step(row)
    assert (row.status, row.failure_class) == ("RETRY_PENDING", FailureClass.WALLET_CLOSED)
    assert "XRP" in reference.closed_ways("binance", "upbit")
    refreshing.refresh_markets(registry.utc_now())  # its status goes on saying that it works
    assert "XRP" in reference.closed_ways("binance", "upbit")
    looks(desk, row)
    assert row.failure_class == FailureClass.WALLET_CLOSED
    assert desk.posts("binance", SENDING["binance"]) == 1
    assert withdrawals(desk, "binance") == []


def test_f31_after_ten_minutes_of_the_market_the_status_is_believed_again_and_the_retry_goes_through(
    desk: TestDesk, settings: Any
) -> None:
    row = bought(desk)
    settings.KIMP_TIME_SCALE = Decimal(60)
    desk.fault(fault="F31", venue="binance", when="once")
    desk.step(row)
    desk.sample()
    seen = opening.preview_by_hand(asset="XRP", notional_usdt=Decimal(100))
    assert any("wallet" in objection for objection in seen.objections)
    desk.control(
        "/control/wallet", {"venue": "binance", "asset": "XRP", "network": "XRP", "withdraw": True}
    )
    refused_at = NetworkRule.objects.get(venue="binance", asset="XRP").refused_at
    assert refused_at is not None
    is_shut = []
    for seconds in (9, 11):
        refreshing.refresh_markets(refused_at + timedelta(seconds=seconds))
        is_shut.append("XRP" in reference.closed_ways("binance", "upbit"))
    assert is_shut == [True, False]
    settings.KIMP_TIME_SCALE = Decimal(1000)
    NetworkRule.objects.update(fetched_at=registry.utc_now())
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    sent = ExchangeCall.objects.filter(cycle=row, operation="WITHDRAW").order_by("pk")
    assert [call.outcome for call in sent] == [CallOutcome.REFUSED, CallOutcome.DONE]
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


def test_f32_a_fee_that_rose_meanwhile_is_booked_as_taken_and_the_terms_are_read_again(
    desk: TestDesk,
) -> None:
    """Binance takes it out of what was to arrive, and only its history tells."""
    row = bought(desk)
    rules_were_read(minutes=1)
    desk.fault(fault="F32", venue="binance", when="once")
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    call = call_of(row)
    taken = Decimal(call.report["network_fee"])
    assert taken == Decimal(call.request["network_fee"]) * 2
    assert fees_booked(row, "binance") == taken
    assert fee_stored("binance", "XRP") == taken
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


def test_f32_a_fee_that_rose_beyond_what_is_left_is_read_again_and_the_retry_pays_it(
    desk: TestDesk,
) -> None:
    """Upbit takes it besides: with the old one nothing was left for more."""
    row = desk.drive_until(bought(desk), "INITIAL_TRADE_COMPLETED")
    give_back(units_until(desk, row, "BUY", "upbit"))
    rules_were_read(minutes=1)
    desk.fault(fault="F32", venue="upbit", when="once")
    desk.step(row)
    assert row.failure_class == FailureClass.REFUSED_FUNDS
    desk.drive_until(row, "COMPLETED")
    sent = ExchangeCall.objects.filter(cycle=row, operation="WITHDRAW", venue="upbit")
    assert [call.outcome for call in sent.order_by("pk")] == ["REFUSED", "DONE"]
    taken = Decimal(sent.latest("pk").report["network_fee"])
    assert fees_booked(row, "upbit") == taken == fee_stored("upbit", sent[0].request["asset"])
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


def test_f32_a_fee_paid_from_other_cycles_coins_is_kept_as_a_fact_and_booked_once_the_desk_has_it(
    desk: TestDesk,
) -> None:
    """Upbit takes it from one account of all cycles; the ledger lets nobody owe."""
    row = desk.drive_until(bought(desk), "INITIAL_TRADE_COMPLETED")
    give_back(units_until(desk, row, "BUY", "upbit"))
    asset = Cycle.objects.get(pk=row.pk).return_asset
    desk.control("/control/balances", {"venue": "upbit", "asset": asset, "credit": "1000"})
    desk.fault(fault="F32", venue="upbit", when="once")
    desk.step(row)
    sent = ExchangeCall.objects.get(cycle=row, operation="WITHDRAW", venue="upbit")
    assert (sent.outcome, sent.is_settled) == (CallOutcome.DONE, False)
    assert row.failure_class == FailureClass.REFUSED_FUNDS
    assert "other cycles' coins" in row.failure_reason
    assert not verifying.verify_ledger().is_settled  # no difference is made of it
    lines = postings.moved(
        "upbit", asset, Decimal(1000), origin=AccountOwner.CAPITAL, target=AccountOwner.DESK
    )
    booking.post("capital:test", PostingKind.CAPITAL, lines)
    desk.drive_until(row, "COMPLETED")
    sent.refresh_from_db()
    assert fees_booked(row, "upbit") == Decimal(sent.report["network_fee"])
    each_was_sent_once(desk)
    assert verifying.verify_ledger().matches_venues


def fee_stored(venue: str, asset: str) -> Decimal:
    """Give the fee that the desk plans with."""
    return NetworkRule.objects.get(venue=venue, asset=asset).withdraw_fee


def fees_booked(row: Cycle, venue: str) -> Decimal:
    """Give what the cycle's postings say of network fees at a venue."""
    entries = Entry.objects.filter(
        posting__cycle=row, account__owner="NETWORK_FEES", account__venue=venue
    )
    return entries.aggregate(total=Sum("quantity"))["total"] or Decimal(0)


def test_f32_a_minimum_raised_beyond_what_is_there_is_read_again_and_not_tried_against(
    desk: TestDesk,
) -> None:
    row = bought(desk)
    rules_were_read(minutes=1)
    desk.fault(fault="F32", venue="binance", args={"withdraw_min": "900000"}, when="once")
    desk.step(row)
    assert row.failure_class == FailureClass.REFUSED_RULES
    looks(desk, row)
    assert "is less than binance sends" in row.failure_reason
    assert desk.posts("binance", SENDING["binance"]) == 1
