"""What an adversarial reading found: each way money could be lost, stuck or misbooked, held shut."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain import postings
from cycles.domain.progress import Turn
from cycles.domain.words import (
    AccountOwner,
    CallOutcome,
    Channel,
    CycleStatus,
    FailureClass,
    Mode,
    PauseScope,
    PostingKind,
    StepState,
)
from cycles.errors import InvalidInputError, LeaseLostError, PolicyDeniedError
from cycles.models import Account, Alert, Cycle, ExchangeCall, PremiumSample, Step
from cycles.models.fields import uuid7
from cycles.services import (
    booking,
    calling,
    dead_letters,
    desk as desk_services,
    intervening,
    opening,
    quoting,
    resolving,
    retrying,
    settling,
    sweeping,
    transferring,
    verifying,
)
from cycles.services.calling import Noted
from cycles.services.intervening import Actor
from cycles.services.locking import lock_cycle
from cycles.services.moving import Lease
from cycles.services.resolving import Received, Resolution, ResolutionOutcome
from exchanges.models import MarketRule, NetworkRule, RegisteredAddress, TransferRoute
from exchanges.values import FillReport, Market, OrderReport, OrderStatus, Side
from tests import builders
from tests.cycles.services.acts import balance, fail, give_back, make_due, set_policy
from tests.desk import TestDesk, eventually, operator, why


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


WITHDRAWALS = "/sapi/v1/capital/withdraw/history$"


def told(desk: TestDesk, venue: str, path: str, rows: list[dict[str, object]]) -> None:
    """Let a venue answer a read with these rows."""
    desk.fault(
        venue=venue, method="GET", path_regex=path, phase="before", action="status",
        args={"status": 200, "json": rows},
    )  # fmt: skip


def withdrawal_row(call: ExchangeCall, **facts: object) -> dict[str, object]:
    """Give a row of Binance's history of withdrawals."""
    return {
        "id": call.venue_order_id, "coin": "XRP", "network": "XRP", "status": 6,
        "amount": call.report["quantity"], "transactionFee": call.report["network_fee"],
        "txId": "feed", "withdrawOrderId": call.client_order_id,
    } | facts  # fmt: skip


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
    RegisteredAddress.objects.filter(venue="upbit", asset="XRP").update(memo="")
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


def shut(desk: TestDesk, **facts: object) -> None:
    """Let the rules say that a wallet is closed."""
    NetworkRule.objects.filter(venue=facts["venue"], asset="XRP").update(
        **{name: value for name, value in facts.items() if name != "venue"}
    )


@pytest.mark.parametrize(
    "closed",
    [
        {"venue": "binance", "withdraw_is_open": False},
        {"venue": "upbit", "deposit_is_open": False},
    ],
)
def test_nothing_is_bought_that_could_not_be_sent(
    desk: TestDesk, closed: dict[str, object]
) -> None:
    set_policy(allowed_assets=["XRP"])
    desk.sample()
    assert opening.decide().opens
    shut(desk, **closed)
    assert not opening.decide().opens
    with pytest.raises(PolicyDeniedError, match="wallet"):
        desk.open()
    assert not Cycle.objects.exists()


def test_what_could_not_come_home_is_not_bought_for_it(desk: TestDesk) -> None:
    row = only_xrp(desk)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    shut(desk, venue="upbit", withdraw_is_open=False)
    desk.step(row)
    assert row.status == CycleStatus.AWAITING_REBALANCE
    shut(desk, venue="upbit", withdraw_is_open=True)
    desk.drive_until(row, "COMPLETED")


def test_a_cycle_too_small_to_be_sent_is_not_opened(desk: TestDesk) -> None:
    NetworkRule.objects.filter(venue="binance", asset="XRP").update(withdraw_minimum=10_000)
    with pytest.raises(PolicyDeniedError, match="too little"):
        desk.open(notional="2000")


def test_a_paused_venue_stops_the_way_home_of_an_older_policy_too(desk: TestDesk) -> None:
    row = only_xrp(desk)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    set_policy(allowed_assets=["BTC"])
    desk_services.pause(PauseScope.VENUE, "upbit", actor=operator(), reason="r")
    desk.step(row)
    assert row.status == CycleStatus.AWAITING_REBALANCE


def test_depth_is_measured_for_what_the_policy_would_open_with(desk: TestDesk) -> None:
    set_policy(sizing="FULL_CAPITAL", notional_usdt=Decimal(1))
    free = booking.desk_balance("binance", "USDT")
    assert quoting.sample_size_usdt(desk_services.current_policy()) == free.quantize(
        Decimal("0.01")
    )


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_sample_of_another_hour_is_not_fresh_whichever_clock_is_wrong(
    desk: TestDesk, hours: int
) -> None:
    desk.sample()
    PremiumSample.objects.update(at=F("at") + timedelta(hours=hours))
    assert not opening.decide().opens


def test_coins_are_not_sold_by_themselves_on_old_prices(desk: TestDesk) -> None:
    row = desk.open()
    dies(units_until_done(desk, row, "OUTBOUND", "BUY"), row)
    PremiumSample.objects.update(at=F("at") - timedelta(hours=1))
    assert dead_letters.process_dead_letters() == 0
    desk.sample()
    assert dead_letters.process_dead_letters() == 1


def test_what_was_received_is_at_a_venue_that_is_verified() -> None:
    part = Received(venue="binanse", asset="USDT", quantity=Decimal(1))
    stated = Resolution(outcome=ResolutionOutcome.COMPLETED, evidence="#7", received=(part,))
    with pytest.raises(InvalidInputError, match="no venue"):
        resolving.resolve(
            uuid7(), actor=Actor(user=None, channel=Channel.SYSTEM), reason="r", seen_version=1,
            resolution=stated,
        )  # fmt: skip


def test_a_withdrawal_given_back_unseen_does_not_halt_the_desk(desk: TestDesk) -> None:
    row = desk.open()
    lease = units_until_done(desk, row, "OUTBOUND", "BUY")
    desk.fault(fault="F27", venue="binance", when="once")
    desk.unit(lease)
    eventually(lambda: desk.control("/control/transfers")["withdrawals"][0]["state"] == "rejected")
    assert balance("upbit", "XRP", "IN_FLIGHT", row) > 0
    assert verifying.verify_ledger_job()
    assert desk_services.current().mode == Mode.RUN


def test_an_old_unresolved_request_tells_that_the_ledger_is_not_proven(desk: TestDesk) -> None:
    row = desk.open()
    builders.order_call(
        row, CallOutcome.UNKNOWN, intended_at=Now() - timedelta(hours=1), noted_at=Now()
    )
    builders.capital("binance", "USDT", 5)  # which Binance does not have
    assert not verifying.verify_ledger_job()
    assert Alert.objects.filter(key__startswith="ledger_blind").count() == 1
    assert desk_services.current().mode == Mode.RUN


@pytest.mark.django_db
def test_a_sweep_holds_no_lease_that_waits_for_its_turn() -> None:
    for _ in range(3):
        row = builders.cycle()
        fail(row, FailureClass.TRANSIENT)
        make_due(row)
    claimed_at_once: list[int] = []

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and "lease_owner" in sql:
            held = Cycle.objects.filter(lease_owner__startswith="worker").count()
            claimed_at_once.append(held)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        sweeping.sweep_retries()
    assert claimed_at_once
    assert max(claimed_at_once) <= 1


def test_an_accepted_order_that_never_ends_is_cancelled_now_and_then_and_told(
    desk: TestDesk,
) -> None:
    row = desk.open()
    lease = desk.lease(row)
    desk.fault(
        venue="binance", method="POST", path_regex="/api/v3/order$", phase="before",
        action="fin", when="once",
    )  # fmt: skip
    desk.unit(lease)
    call = ExchangeCall.objects.get(cycle=row)
    resting = {
        "symbol": "XRPUSDT", "orderId": 7, "status": "NEW", "side": "BUY",
        "clientOrderId": call.client_order_id, "origQty": "9", "executedQty": "0",
    }  # fmt: skip
    desk.fault(
        venue="binance", method="GET", path_regex="/api/v3/order$", phase="before",
        action="status", args={"status": 200, "json": resting},
    )  # fmt: skip
    desk.unit(lease)

    def after(seconds: int) -> Any:
        past = Now() - timedelta(seconds=seconds)
        ExchangeCall.objects.filter(pk=call.pk).update(noted_at=past)
        return desk.unit(lease)

    assert after(11).turn is Turn.WAIT
    assert after(12).turn is Turn.WAIT
    cancels = ExchangeCall.objects.filter(cycle=row, operation="CANCEL_ORDER")
    assert cancels.count() == 1
    progress = after(150)
    assert (progress.turn, progress.failure) == (Turn.FAIL, FailureClass.UNKNOWN_ORDER)


def test_a_way_home_undone_abroad_ends_flat_whatever_won_are_left_over(desk: TestDesk) -> None:
    row = only_xrp(desk)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    dies(units_until_done(desk, row, "RETURN", "DEPOSIT"), row)
    assert balance("upbit", "KRW", "CYCLE", row) > 0
    intervening.unwind(row.pk, actor=operator(), reason="r", seen_version=row.version)
    row.refresh_from_db()
    desk.drive_until(row, "FAILED", "AWAITING_REBALANCE")
    assert row.status == CycleStatus.FAILED
    assert verifying.verify_ledger().matches_venues


def test_dust_of_the_way_out_does_not_end_a_cycle_that_waits(desk: TestDesk) -> None:
    row = only_xrp(desk)
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    lease = desk.lease(row)
    desk.unit(lease)
    row.refresh_from_db()
    assert row.status == CycleStatus.AWAITING_REBALANCE
    dust = postings.moved(
        "binance", "XRP", Decimal("0.5"), origin=AccountOwner.CAPITAL, target=AccountOwner.CYCLE
    )
    booking.post("dust", PostingKind.FILL, dust, cycle=row)
    retrying.fail(lease, FailureClass.POLICY_DENIED, "waited too long", actor="tester")
    assert dead_letters.process_dead_letters() == 0
    row.refresh_from_db()
    assert row.status == CycleStatus.DEAD_LETTER


def arrived(call: ExchangeCall, *quantities: Decimal) -> list[dict[str, object]]:
    """Give Upbit's list of deposits: the parts of one transaction."""
    return [
        {
            "uuid": f"d{number}", "currency": "XRP", "net_type": "XRP", "state": "ACCEPTED",
            "txid": call.report["txid"], "amount": str(quantity),
        }
        for number, quantity in enumerate(quantities)
    ]  # fmt: skip


def test_a_credit_in_parts_is_waited_for_before_it_counts_as_too_little(desk: TestDesk) -> None:
    TransferRoute.objects.update(overdue_seconds=10**6)
    row = desk.open()
    lease = units_until_done(desk, row, "OUTBOUND", "WITHDRAW")
    call = ExchangeCall.objects.get(cycle=row, operation="WITHDRAW")
    whole = Decimal(call.report["quantity"])
    told(desk, "upbit", "/v1/deposits$", arrived(call, whole - 5))
    assert desk.unit(lease).turn is Turn.WAIT
    no_faults(desk)
    told(desk, "upbit", "/v1/deposits$", arrived(call, whole - 5, Decimal(5)))
    assert desk.unit(lease).turn is Turn.GO_ON
    assert balance("upbit", "XRP", "CYCLE", row) == whole


def test_a_route_that_is_closed_to_new_cycles_kills_none_that_is_on_it(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(fault="F28", venue="binance", when="once")
    lease = units_until_done(desk, row, "OUTBOUND", "BUY")
    desk.unit(lease)
    TransferRoute.objects.update(is_allowed=False)
    assert desk.unit(lease).turn is Turn.WAIT
