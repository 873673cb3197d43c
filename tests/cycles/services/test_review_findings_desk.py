"""What an adversarial reading found: beginnings, waits, sweeps and proofs that went wrong."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain import postings
from cycles.domain.progress import Turn
from cycles.domain.words import (
    AccountOwner,
    CallOutcome,
    CycleStatus,
    FailureClass,
    Mode,
    PauseScope,
    PostingKind,
)
from cycles.errors import PolicyDeniedError
from cycles.models import Alert, Cycle, ExchangeCall, PremiumSample
from cycles.services import (
    booking,
    dead_letters,
    desk as desk_services,
    intervening,
    opening,
    quoting,
    retrying,
    sweeping,
    verifying,
)
from exchanges.models import NetworkRule, TransferRoute
from tests import builders
from tests.cycles.services.acts import balance, fail, make_due, set_policy
from tests.cycles.services.review import (
    arrived,
    dies,
    no_faults,
    only_xrp,
    shut,
    told,
    units_until_done,
)
from tests.desk import TestDesk, eventually, operator


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
    eventually(lambda: desk.unit(lease).turn is Turn.GO_ON)  # the next look is not due at once
    assert balance("upbit", "XRP", "CYCLE", row) == whole


def test_a_rest_that_comes_after_the_credit_was_settled_as_short_halts_no_desk(
    desk: TestDesk,
) -> None:
    desk.fault(fault="F29", venue="binance", args={"value": "partial"}, when="once")
    row = desk.open()
    TransferRoute.objects.update(expected_seconds=0, overdue_seconds=0)
    desk.drive_until(row, "DEAD_LETTER")
    assert row.failure_class == FailureClass.CREDIT_MISMATCH
    rest = balance("upbit", "XRP", "SUSPENSE", row)
    assert rest > 0
    desk.control("/control/balances", {"venue": "upbit", "asset": "XRP", "credit": str(rest)})
    assert verifying.verify_ledger_job()
    assert desk_services.current().mode == Mode.RUN


def test_a_route_that_is_closed_to_new_cycles_kills_none_that_is_on_it(desk: TestDesk) -> None:
    row = desk.open()
    desk.fault(fault="F28", venue="binance", when="once")
    lease = units_until_done(desk, row, "OUTBOUND", "BUY")
    desk.unit(lease)
    TransferRoute.objects.update(is_allowed=False)
    assert desk.unit(lease).turn is Turn.WAIT
