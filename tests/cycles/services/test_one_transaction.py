"""Venues send many withdrawals in one transaction: each cycle is credited with its own, and no other's."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from cycles.domain.progress import Turn
from cycles.domain.words import FailureClass
from cycles.models import Alert, Cycle, ExchangeCall, Step
from cycles.services import replaying, transferring
from cycles.services.moving import Lease
from cycles.services.recalling import History, Trace
from exchanges import registry
from exchanges.models import TransferRoute
from exchanges.values import DepositReport, DepositStatus
from tests.cycles.services.acts import balance, set_policy
from tests.cycles.services.review import (
    WITHDRAWALS,
    arrived,
    no_faults,
    told,
    units_until_done,
    withdrawal_row,
)
from tests.desk import TestDesk

OTHERS = Decimal(77)


def sent_together(desk: TestDesk, *notionals: str) -> list[tuple[Cycle, Lease, ExchangeCall]]:
    """Send cycles' coins, all in one transaction, as their venue tells it; none is credited yet."""
    set_policy(max_open_cycles=9, max_open_cycles_per_asset=9)
    desk.fault(fault="F28", venue="binance")
    rows = [desk.open(notional=notional) for notional in notionals]
    leases = [units_until_done(desk, row, "OUTBOUND", "BUY") for row in rows]
    for lease in leases:
        desk.unit(lease)
    calls = [ExchangeCall.objects.get(cycle=row, operation="WITHDRAW") for row in rows]
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(call) for call in calls])
    leases = [units_until_done(desk, row, "OUTBOUND", "WITHDRAW") for row in rows]
    for call in calls:
        call.refresh_from_db()
    return list(zip(rows, leases, calls, strict=True))


def quantity(call: ExchangeCall) -> Decimal:
    """Give what a withdrawal brings."""
    return Decimal(call.report["quantity"])


def test_each_cycle_is_credited_with_its_own_part_of_a_transaction(desk: TestDesk) -> None:
    sent = sent_together(desk, "2000", "3000")
    parts = [quantity(call) for _, _, call in sent]
    told(desk, "upbit", "/v1/deposits$", arrived(sent[0][2], *parts))
    for row, lease, call in sent:
        assert desk.unit(lease).turn is Turn.GO_ON
        assert balance("upbit", "XRP", "CYCLE", row) == quantity(call)
        assert balance("upbit", "XRP", "SUSPENSE", row) == 0


def test_two_parts_that_are_alike_are_not_one_cycles_both(desk: TestDesk) -> None:
    sent = sent_together(desk, "2000", "2000")
    parts = [quantity(call) for _, _, call in sent]
    assert parts[0] == parts[1]
    told(desk, "upbit", "/v1/deposits$", arrived(sent[0][2], *parts))
    for row, lease, call in sent:
        assert desk.unit(lease).turn is Turn.GO_ON
        assert balance("upbit", "XRP", "CYCLE", row) == quantity(call)


def test_a_part_that_comes_first_is_not_taken_by_the_cycle_that_looks_first(desk: TestDesk) -> None:
    (early, lease, call), (late, others_lease, others) = sent_together(desk, "2000", "3000")
    told(desk, "upbit", "/v1/deposits$", arrived(others, quantity(others)))
    assert desk.unit(lease).turn is Turn.WAIT
    assert desk.unit(others_lease).turn is Turn.GO_ON
    assert balance("upbit", "XRP", "IN_FLIGHT", early) == quantity(call)
    assert balance("upbit", "XRP", "CYCLE", late) == quantity(others)


def test_a_transaction_that_is_credited_as_one_is_divided(desk: TestDesk) -> None:
    sent = sent_together(desk, "2000", "3000")
    whole = sum(quantity(call) for _, _, call in sent)
    told(desk, "upbit", "/v1/deposits$", arrived(sent[0][2], Decimal(whole)))
    for row, lease, call in sent:
        assert desk.unit(lease).turn is Turn.GO_ON
        assert balance("upbit", "XRP", "CYCLE", row) == quantity(call)


def test_what_is_left_once_the_others_have_theirs_is_ones_own_however_short(
    desk: TestDesk,
) -> None:
    TransferRoute.objects.update(expected_seconds=0, overdue_seconds=0)
    (row, lease, call), (_, _, others) = sent_together(desk, "2000", "3000")
    told(desk, "upbit", "/v1/deposits$", arrived(call, quantity(call) - 5, quantity(others)))
    assert desk.unit(lease).failure is FailureClass.CREDIT_MISMATCH
    assert balance("upbit", "XRP", "SUSPENSE", row) == 5


def test_parts_that_fit_nobody_are_a_persons_to_divide(desk: TestDesk) -> None:
    TransferRoute.objects.update(expected_seconds=0, overdue_seconds=0)
    (row, lease, call), _ = sent_together(desk, "2000", "3000")
    told(desk, "upbit", "/v1/deposits$", arrived(call, OTHERS, OTHERS))
    assert desk.unit(lease).failure is FailureClass.CREDIT_MISMATCH
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == quantity(call)


def test_what_a_venue_gave_back_is_the_cycles_again_though_the_others_of_its_transaction_arrived(
    desk: TestDesk,
) -> None:
    TransferRoute.objects.update(expected_seconds=0, overdue_seconds=0)
    (row, lease, call), (_, _, others) = sent_together(desk, "2000", "3000")
    told(desk, "upbit", "/v1/deposits$", arrived(others, quantity(others)))
    no_faults(desk)
    rows = [withdrawal_row(call, status=5), withdrawal_row(others)]
    told(desk, "binance", WITHDRAWALS, rows)
    told(desk, "upbit", "/v1/deposits$", arrived(others, quantity(others)))
    assert desk.unit(lease).failure is FailureClass.UNKNOWN_WITHDRAWAL
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == 0
    assert balance("binance", "XRP", "CYCLE", row) >= quantity(call)


def test_what_is_late_is_waited_for_though_the_others_of_its_transaction_arrived(
    desk: TestDesk,
) -> None:
    TransferRoute.objects.update(expected_seconds=0, overdue_seconds=0)
    (row, lease, _), (_, _, others) = sent_together(desk, "2000", "3000")
    told(desk, "upbit", "/v1/deposits$", arrived(others, quantity(others)))
    assert desk.unit(lease).turn is Turn.WAIT
    assert Alert.objects.filter(cycle=row, key__startswith="overdue:").exists()


def test_no_cycle_takes_what_left_with_its_own_and_is_told_of_only_after_it_arrived(
    desk: TestDesk,
) -> None:
    set_policy(max_open_cycles=9, max_open_cycles_per_asset=9)
    desk.fault(fault="F28", venue="binance")
    rows = [desk.open(notional=notional) for notional in ("2000", "3000")]
    leases = [units_until_done(desk, row, "OUTBOUND", "BUY") for row in rows]
    for lease in leases:
        desk.unit(lease)
    own, others = (ExchangeCall.objects.get(cycle=row, operation="WITHDRAW") for row in rows)
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(own), withdrawal_row(others, txId="")])
    lease = units_until_done(desk, rows[0], "OUTBOUND", "WITHDRAW")
    no_faults(desk)
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(own), withdrawal_row(others)])
    own.refresh_from_db()
    told(desk, "upbit", "/v1/deposits$", arrived(own, quantity(own), quantity(others)))
    assert desk.unit(lease).turn is Turn.GO_ON
    assert balance("upbit", "XRP", "CYCLE", rows[0]) == quantity(own)


def test_catching_up_credits_a_cycle_with_its_own_part_of_a_transaction_only(
    desk: TestDesk,
) -> None:
    sent = sent_together(desk, "2000", "3000")
    traces = [
        Trace(venue="binance", report=transferring._stored_report(call), name=None)
        for _, _, call in sent
    ]
    deposits = [
        replace(deposit(call), venue_deposit_id=f"d{number}")
        for number, (_, _, call) in enumerate(sent)
    ]
    history = History(since=registry.utc_now(), traces=traces, deposits=deposits)
    for row, _, call in sent:
        row.refresh_from_db()
        replaying.conclude(row, Step.objects.get(cycle=row, kind="DEPOSIT"), history)
        assert balance("upbit", "XRP", "CYCLE", row) == quantity(call)


def deposit(call: ExchangeCall) -> DepositReport:
    """Give a withdrawal's credit as its venue shows it."""
    return DepositReport(
        venue="upbit", venue_deposit_id="d", asset="XRP", network="XRP", quantity=quantity(call),
        status=DepositStatus.CREDITED, txid=call.report["txid"], detail="", created_at=None,
    )  # fmt: skip
