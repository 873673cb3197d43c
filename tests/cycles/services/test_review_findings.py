"""What an adversarial reading found: each way money could be lost, stuck or misbooked, held shut."""

from __future__ import annotations

from decimal import Decimal

from cycles.domain.progress import Turn
from cycles.domain.words import CycleStatus, FailureClass, StepState
from cycles.models import Account, Cycle, ExchangeCall, Step
from cycles.services import intervening, retrying
from cycles.services.moving import Lease
from tests.cycles.services.acts import balance, give_back, set_policy
from tests.desk import TestDesk, operator, why


def units_until_done(desk: TestDesk, row: Cycle, passage: str, kind: str) -> Lease:
    """Drive unit by unit until a step is done; keeps the lease."""
    lease = desk.lease(row)
    for _ in range(60):
        if Step.objects.filter(
            cycle=row, passage=passage, kind=kind, state=StepState.DONE
        ).exists():
            row.refresh_from_db()
            return lease
        progress = desk.unit(lease)
        assert progress.turn is not Turn.FAIL, f"{progress.reason}: {why(row)}"
        if progress.turn is Turn.END:
            row.refresh_from_db()
            lease = desk.lease(row)
    raise AssertionError(why(row))


def only_xrp(desk: TestDesk, notional: str = "2000") -> Cycle:
    """Open a cycle that can come home by XRP only."""
    set_policy(allowed_assets=["XRP"], max_open_cycles=9, max_open_cycles_per_asset=9)
    return desk.open(notional=notional)


def dies(lease: Lease, row: Cycle) -> None:
    """Let a driven cycle become a dead letter."""
    retrying.fail(lease, FailureClass.BUG, "for a test", actor="tester")
    row.refresh_from_db()


def empty_book(desk: TestDesk, market: str = "KRW-XRP") -> None:
    """Let Upbit show a book without a single level."""
    desk.fault(
        venue="upbit", method="GET", path_regex="/orderbook$", phase="before", action="status",
        args={"status": 200, "json": [{"market": market, "orderbook_units": []}]},
    )  # fmt: skip


def no_faults(desk: TestDesk) -> None:
    """Take all faults away."""
    desk.control("/control/faults", method="DELETE")


def drive(desk: TestDesk, row: Cycle, *statuses: str) -> None:
    """Drive a redriven cycle until a status: a claim goes by the status it has now."""
    while row.status not in statuses:
        if row.status not in {"STARTED", "RETRY_PENDING"}:
            Cycle.objects.filter(pk=row.pk).update(resume_status="")
        desk.step(row)


def tradable(row: Cycle) -> list[str]:
    """List what stands as dust although it is worth an order."""
    rows = Account.objects.filter(owner="DUST", asset="XRP", balance__gt=5)
    return [f"{one} {one.balance}" for one in rows]


def test_a_redrive_in_the_middle_of_an_unwind_does_not_turn_the_capital_into_dust(
    desk: TestDesk,
) -> None:
    row = only_xrp(desk)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    dies(units_until_done(desk, row, "RETURN", "BUY"), row)
    intervening.unwind(row.pk, actor=operator(), reason="r", seen_version=row.version)
    row.refresh_from_db()
    lease = desk.lease(row)
    while not Step.objects.filter(cycle=row, passage="UNWIND").exists():
        assert desk.unit(lease).turn is Turn.GO_ON, why(row)
    dies(lease, row)
    intervening.redrive(row.pk, actor=operator(), reason="r", seen_version=row.version)
    row.refresh_from_db()
    desk.drive_until(row, "AWAITING_REBALANCE", "COMPLETED", "FAILED", "DEAD_LETTER")
    assert tradable(row) == []
    assert row.status == CycleStatus.AWAITING_REBALANCE


def test_a_sale_does_not_end_while_the_book_is_empty_and_coins_are_left(desk: TestDesk) -> None:
    row = desk.open()
    lease = units_until_done(desk, row, "OUTBOUND", "DEPOSIT")
    desk.fault(fault="F13", venue="upbit", when="once")
    for _ in range(9):
        if Step.objects.get(cycle=row, kind="SELL").quantity_out > 0:
            break
        desk.unit(lease)
    empty_book(desk)
    progress = desk.unit(lease)
    assert Step.objects.get(cycle=row, kind="SELL").state != StepState.DONE
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.TRANSIENT)


def test_an_unwind_does_not_end_while_the_book_is_empty_and_coins_are_left(desk: TestDesk) -> None:
    row = only_xrp(desk)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    dies(units_until_done(desk, row, "RETURN", "BUY"), row)
    intervening.unwind(row.pk, actor=operator(), reason="r", seen_version=row.version)
    empty_book(desk)
    row.refresh_from_db()
    desk.drive_until(row, "RETRY_PENDING", "AWAITING_REBALANCE", "FAILED")
    desk.drive_until(row, "DEAD_LETTER", "AWAITING_REBALANCE", "FAILED")
    no_faults(desk)
    assert row.status == CycleStatus.DEAD_LETTER
    assert balance("upbit", "XRP", "CYCLE", row) > 100


def test_a_redrive_after_a_credit_mismatch_does_not_book_what_never_came_as_dust(
    desk: TestDesk,
) -> None:
    row = desk.open()
    lease = units_until_done(desk, row, "OUTBOUND", "WITHDRAW")
    call = ExchangeCall.objects.get(cycle=row, operation="WITHDRAW")
    short = Decimal(call.report["quantity"]) - 5
    desk.fault(
        venue="upbit", method="GET", path_regex="/v1/deposits$", phase="before", action="status",
        args={"status": 200, "json": [{
            "uuid": "d1", "currency": "XRP", "net_type": "XRP", "state": "ACCEPTED",
            "txid": call.report["txid"], "amount": str(short),
        }]},
    )  # fmt: skip
    give_back(lease)
    desk.drive_until(row, "DEAD_LETTER")
    assert row.failure_class == FailureClass.CREDIT_MISMATCH
    assert balance("upbit", "XRP", "SUSPENSE", row) == 5
    no_faults(desk)
    intervening.redrive(row.pk, actor=operator(), reason="r", seen_version=row.version)
    row.refresh_from_db()
    drive(desk, row, "DEAD_LETTER", "COMPLETED")
    assert row.status == CycleStatus.DEAD_LETTER
    assert balance("upbit", "XRP", "SUSPENSE", row) == 5
    assert balance("upbit", "XRP", "DUST") < 5
