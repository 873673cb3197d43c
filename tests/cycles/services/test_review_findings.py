"""What an adversarial reading found: ways coins were lost, stuck or misbooked, held shut."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import transaction

from cycles.domain.progress import Turn
from cycles.domain.words import (
    CallOutcome,
    CycleStatus,
    FailureClass,
    StepState,
)
from cycles.errors import LeaseLostError
from cycles.models import Alert, ExchangeCall, Step
from cycles.services import (
    calling,
    intervening,
    opening,
    settling,
    transferring,
    verifying,
)
from cycles.services.calling import Noted
from cycles.services.locking import lock_cycle
from exchanges.models import MarketRule
from exchanges.values import FillReport, Market, OrderReport, OrderStatus, Side
from tests import builders
from tests.cycles.services import acts
from tests.cycles.services.acts import balance, give_back, set_policy
from tests.cycles.services.review import (
    WITHDRAWALS,
    dies,
    drive,
    empty_book,
    no_faults,
    only_xrp,
    told,
    tradable,
    units_until_done,
    withdrawal_row,
)
from tests.desk import TestDesk, eventually, operator, why


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


def test_a_withdrawal_that_came_back_before_it_was_found_is_not_in_flight(desk: TestDesk) -> None:
    row = desk.open()
    lease = units_until_done(desk, row, "OUTBOUND", "BUY")
    held = balance("binance", "XRP", "CYCLE", row)
    desk.fault(fault="F27", venue="binance", when="once")
    desk.fault(
        fault="F6", venue="binance", method="POST", path_regex="withdraw/apply$", when="once"
    )
    desk.unit(lease)
    assert ExchangeCall.objects.get(cycle=row, operation="WITHDRAW").outcome == "UNKNOWN"
    eventually(lambda: desk.control("/control/transfers")["withdrawals"][0]["state"] == "rejected")
    give_back(lease)
    desk.drive_until(row, "RETRY_PENDING")
    assert row.failure_class == FailureClass.WALLET_CLOSED
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == 0
    assert balance("binance", "XRP", "CYCLE", row) == held
    assert verifying.verify_ledger().matches_venues
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")


def test_another_withdrawal_fee_than_was_told_is_booked_as_it_was(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(fault="F28", venue="binance", when="once")
    lease = units_until_done(desk, row, "OUTBOUND", "BUY")
    desk.unit(lease)
    call = ExchangeCall.objects.get(cycle=row, operation="WITHDRAW")
    arrives = Decimal(call.report["quantity"]) - 1
    fee = Decimal(call.report["network_fee"]) + 1
    told(
        desk, "binance", WITHDRAWALS,
        [withdrawal_row(call, amount=str(arrives), transactionFee=str(fee))],
    )  # fmt: skip
    told(desk, "upbit", "/v1/deposits$", [{
        "uuid": "d1", "currency": "XRP", "net_type": "XRP", "state": "ACCEPTED",
        "txid": "feed", "amount": str(arrives),
    }])  # fmt: skip
    give_back(lease)
    units_until_done(desk, row, "OUTBOUND", "DEPOSIT")
    assert balance("upbit", "XRP", "IN_FLIGHT", row) == 0
    assert balance("upbit", "XRP", "SUSPENSE", row) == 0
    assert balance("upbit", "XRP", "CYCLE", row) == arrives


def test_a_withdrawal_without_a_transaction_id_is_looked_at_again(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(fault="F28", venue="binance", when="once")
    lease = units_until_done(desk, row, "OUTBOUND", "BUY")
    desk.unit(lease)
    call = ExchangeCall.objects.get(cycle=row, operation="WITHDRAW")
    told(desk, "binance", WITHDRAWALS, [withdrawal_row(call, txId="")])
    assert desk.unit(lease).turn is Turn.WAIT
    assert Step.objects.get(cycle=row, kind="WITHDRAW").state == StepState.RUNNING


def test_a_fee_that_has_risen_does_not_leave_an_order_that_can_never_be_settled(
    desk: TestDesk,
) -> None:
    MarketRule.objects.filter(venue="upbit").update(taker_fee_rate=0)
    set_policy(max_slippage_bps=Decimal(0))  # every won is spent
    desk.sample()
    row = opening.open_return_only(
        notional_krw=Decimal(3_000_000), actor=operator(), reason="a test"
    )
    lease = units_until_done(desk, row, "RETURN", "BUY")
    give_back(lease)
    assert Alert.objects.filter(cycle=row, title__contains="more than the cycle had").exists()
    assert verifying.verify_ledger().matches_venues


@pytest.mark.django_db
def test_a_fee_in_a_third_asset_is_paid_by_the_desk() -> None:
    builders.capital("binance", "BNB", 1)
    row = builders.cycle(usdt=100)
    row.refresh_from_db()
    call = builders.order_call(row, venue_order_id="1")
    fill = FillReport(
        venue_fill_id="1", price=Decimal(2), quantity=Decimal(50), notional=Decimal(100),
        fee=Decimal("0.001"), fee_asset="BNB", at=row.started_at,
    )  # fmt: skip
    report = OrderReport(
        venue="binance", market=Market("XRP", "USDT"), side=Side.BUY, venue_order_id="1",
        client_order_id=call.client_order_id, status=OrderStatus.FILLED, quantity=Decimal(50),
        executed_quantity=Decimal(50), fills=(fill,), created_at=None,
    )  # fmt: skip
    with transaction.atomic():
        settling.settle_order(lock_cycle(row.pk), call, report)
    assert balance("binance", "XRP", "CYCLE", row) == 50
    assert balance("binance", "BNB", "DESK") == Decimal("0.999")
    assert verifying.balance_problems() == ()


def test_coins_are_not_sent_without_the_memo_that_their_network_wants(desk: TestDesk) -> None:
    row = desk.open()
    lease = units_until_done(desk, row, "OUTBOUND", "BUY")
    acts.retire(venue="upbit", asset="XRP")
    builders.confirmed_address(memo="")
    progress = desk.unit(lease)
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.POLICY_DENIED)
    assert not ExchangeCall.objects.filter(cycle=row, operation="WITHDRAW").exists()


def test_an_acceptance_that_comes_after_absence_was_stated_is_told(desk: TestDesk) -> None:
    row = desk.open()
    lease = units_until_done(desk, row, "OUTBOUND", "BUY")
    desk.fault(fault="F24", venue="binance", action="fin", when="once")
    desk.unit(lease)
    call = ExchangeCall.objects.get(cycle=row, operation="WITHDRAW")
    calling.write_outcome(call, Noted(outcome=CallOutcome.ABSENT, error="by an operator"))
    give_back(lease)
    late = Noted(outcome=CallOutcome.DONE, report=transferring._stored_report(
        ExchangeCall(
            venue="binance",
            report={
                "venue_withdrawal_id": "w", "client_withdrawal_id": call.client_order_id,
                "asset": "XRP", "network": "XRP", "quantity": "1", "network_fee": "0",
                "status": "pending", "txid": None,
            },
        )
    ))  # fmt: skip
    with pytest.raises(LeaseLostError):
        calling.note(lease, call, late)
    alert = Alert.objects.get(key=f"contradicted:{call.client_order_id}")
    assert alert.severity == "CRITICAL"
