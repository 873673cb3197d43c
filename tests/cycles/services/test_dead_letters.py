"""Dead letters: told once, recovered alone only where that is cheap and safe, flat at the end."""

from __future__ import annotations

import time
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles.domain import postings
from cycles.domain.words import (
    AccountOwner,
    CycleStatus,
    FailureClass,
    Mode,
    Plan,
    PostingKind,
)
from cycles.models import Account, Alert, Cycle, Fill, Transition
from cycles.services import booking, dead_letters, homing, intervening, verifying
from kimp.demo.operator import Operator
from kimp.demo.website import Website
from tests import builders
from tests.concurrency.unguarded import take_out
from tests.cycles.services.acts import (
    balance,
    fail,
    give_back,
    set_policy,
    units_until,
    with_coins,
)
from tests.desk import TestDesk, operator


def dead_with_coins(desk: TestDesk, step: str = "BUY", venue: str = "binance") -> Cycle:
    """Let a cycle die with its coins where a step left them."""
    row = desk.open()
    give_back(units_until(desk, row, step, venue))
    return fail(row, FailureClass.BUG, "a bug")


def is_flat(row: Cycle) -> bool:
    """Say whether the cycle owns nothing and the ledger equals the venues."""
    assert verifying.verify_ledger().problems == ()
    return not Account.objects.filter(cycle=row).exclude(balance=0).exists()


def without_premium(desk: TestDesk) -> None:
    """Let XRP be as dear in Korea as abroad: whoever sells it back loses the fees."""
    fill = Fill.objects.get()
    rate = Decimal(1450)
    for symbol, mid in (("KRW-USDT", rate), ("KRW-XRP", round(fill.price * rate))):
        book = {"venue": "upbit", "symbol": symbol, "mid": str(mid), "quantity": "1000000"}
        desk.control("/control/book", book)
    desk.sample()


@pytest.mark.parametrize(
    ("step", "venue", "left"),
    [("BUY", "binance", "USDT"), ("DEPOSIT", "upbit", "KRW")],
)
def test_inside_the_loss_limit_coins_are_sold_back_where_they_are_and_the_cycle_ends_flat(
    desk: TestDesk, step: str, venue: str, left: str
) -> None:
    before = balance(venue, left)
    row = dead_with_coins(desk, step, venue)
    without_premium(desk)
    assert dead_letters.process_dead_letters() == 1
    row.refresh_from_db()
    assert (row.status, row.plan) == (CycleStatus.RETRY_PENDING, Plan.UNWIND)
    assert Transition.objects.filter(cycle=row, event="auto_recovery", actor="system").exists()
    desk.drive_until(row, "FAILED")
    assert is_flat(row)
    assert row.realised_pnl_usdt is not None
    assert row.realised_pnl_usdt < 0
    assert balance(venue, left) > before - (2000 if left == "USDT" else 0)
    assert row.ended_at is not None


def test_outside_the_loss_limit_it_is_left_to_a_person(desk: TestDesk) -> None:
    set_policy(auto_recovery_loss_limit_usdt=Decimal(1))
    row = dead_with_coins(desk)
    assert dead_letters.process_dead_letters() == 0
    row.refresh_from_db()
    assert row.status == CycleStatus.DEAD_LETTER
    assert Alert.objects.filter(cycle=row).count() == 1


def test_what_a_person_has_taken_on_is_left_alone(desk: TestDesk) -> None:
    row = dead_with_coins(desk)
    intervening.acknowledge(row.pk, actor=operator(), reason="mine", seen_version=row.version)
    assert dead_letters.process_dead_letters() == 0


def test_a_cycle_recovers_by_itself_once_only(desk: TestDesk) -> None:
    row = dead_with_coins(desk)
    assert dead_letters.process_dead_letters() == 1
    row.refresh_from_db()
    fail(row, FailureClass.BUG, "again")
    assert row.status == CycleStatus.DEAD_LETTER
    assert dead_letters.process_dead_letters() == 0


def test_running_twice_tells_nothing_twice(desk: TestDesk) -> None:
    set_policy(auto_recovery_loss_limit_usdt=Decimal(0))
    row = dead_with_coins(desk)
    dead_letters.process_dead_letters()
    dead_letters.process_dead_letters()
    assert Alert.objects.filter(cycle=row).count() == 1


def test_each_death_has_an_alert_of_its_own(desk: TestDesk) -> None:
    row = dead_with_coins(desk)
    intervening.redrive(row.pk, actor=operator(), reason="go", seen_version=row.version)
    row.refresh_from_db()
    fail(row, FailureClass.BUG, "again")
    assert Alert.objects.filter(cycle=row, key__startswith="dead_letter").count() == 2


def test_an_operator_unwinds_what_the_limit_left(desk: TestDesk) -> None:
    set_policy(auto_recovery_loss_limit_usdt=Decimal(0))
    row = dead_with_coins(desk)
    intervening.unwind(row.pk, actor=operator(), reason="sell", seen_version=row.version)
    row.refresh_from_db()
    desk.drive_until(row, "FAILED")
    assert is_flat(row)


def test_a_redriven_dead_letter_completes_from_where_it_stopped(desk: TestDesk) -> None:
    row = dead_with_coins(desk)
    orders = desk.posts("binance", "/api/v3/order")
    intervening.redrive(row.pk, actor=operator(), reason="go on", seen_version=row.version)
    row.refresh_from_db()
    desk.drive_until(row, "INITIAL_TRADE_COMPLETED")
    assert desk.posts("binance", "/api/v3/order") == orders
    desk.drive_until(row, "COMPLETED")
    assert is_flat(row)


def test_coins_bought_for_the_way_back_are_undone_into_krw_and_wait_again(desk: TestDesk) -> None:
    row = desk.drive_until(desk.open(), "INITIAL_TRADE_COMPLETED")
    give_back(units_until(desk, row, "BUY", "upbit"))
    fail(row, FailureClass.BUG, "a bug")
    assert row.resume_status == CycleStatus.REBALANCING_IN_PROGRESS
    assert dead_letters.process_dead_letters() == 1
    set_policy(min_rebalance_edge_bps=Decimal(0))
    row.refresh_from_db()
    desk.drive_until(row, "COMPLETED")
    back = Transition.objects.filter(cycle=row, event="unwound").get()
    assert (back.from_status, back.to_status) == ("REBALANCING_IN_PROGRESS", "AWAITING_REBALANCE")
    row.refresh_from_db()
    assert row.plan == Plan.RESUME
    assert is_flat(row)


def dead_owning(quantity: int, **facts: object) -> Cycle:
    """Write a dead letter that owns XRP at Binance."""
    row = builders.dead_letter(**facts)  # type: ignore[arg-type]  # passed through
    return with_coins(row, quantity)


def status(row: Cycle) -> str:
    return Cycle.objects.values_list("status", flat=True).get(pk=row.pk)


@pytest.mark.parametrize("is_oldest", [True, False])
def test_one_that_can_recover_has_its_turn_among_those_that_cannot(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch, is_oldest: bool
) -> None:
    monkeypatch.setattr(dead_letters, "BATCH", 2)
    desk.sample()
    good = dead_owning(1000) if is_oldest else None
    for _ in range(4):
        dead_owning(10**7)  # the loss is beyond the limit
    good = good or dead_owning(1000)
    assert sum(dead_letters.process_dead_letters() for _ in range(3)) == 1
    assert status(good) == CycleStatus.RETRY_PENDING


def test_one_that_cannot_be_written_stops_no_other_and_is_told_once(desk: TestDesk) -> None:
    desk.sample()
    odd, good = dead_owning(1000), dead_owning(1000)
    spoilt = {"version": odd.version + 1, "event": "spoilt", "actor": "test", "at": Now()}
    Transition.objects.create(cycle=odd, from_status="", to_status="STARTED", **spoilt)
    for _ in range(2):
        dead_letters.process_dead_letters()
    assert (status(odd), status(good)) == ("DEAD_LETTER", "RETRY_PENDING")
    assert Alert.objects.get(key__startswith="sweep:process_dead_letters").cycle_id == odd.pk


def test_judging_more_dead_letters_takes_no_more_queries(desk: TestDesk) -> None:
    desk.sample()
    counts = []
    for wanted in (2, 6):
        while Cycle.objects.count() < wanted:
            dead_owning(10**7)
        with CaptureQueriesContext(connection) as seen:
            dead_letters.process_dead_letters()
        counts.append(len(seen))
    assert counts[0] == counts[1]


def test_each_dead_letter_that_recovers_takes_its_own_transaction_and_nothing_else(
    desk: TestDesk,
) -> None:
    """One that cannot be written must stop no other, and a halt that comes meanwhile stops the rest."""
    desk.sample()
    # BEGIN and COMMIT, the mode (two), the lock, the transition, the cycle (two), the notice.
    own = 9
    counts = []
    for wanted in (2, 20):
        for _ in range(wanted):
            dead_owning(1000)
        with CaptureQueriesContext(connection) as seen:
            assert dead_letters.process_dead_letters() == wanted
        counts.append(len(seen))
    assert counts[1] - counts[0] == 18 * own


@pytest.mark.parametrize("failure", [FailureClass.UNKNOWN_ORDER, FailureClass.UNKNOWN_WITHDRAWAL])
def test_what_a_person_has_to_decide_is_not_sold_back(
    desk: TestDesk, failure: FailureClass
) -> None:
    desk.sample()
    row = dead_owning(1000, failure=failure)
    assert dead_letters.process_dead_letters() == 0
    assert status(row) == CycleStatus.DEAD_LETTER


def test_what_its_venue_accepted_and_the_ledger_lacks_keeps_coins_from_being_sold_back(
    desk: TestDesk,
) -> None:
    desk.sample()
    row = dead_owning(1000)
    builders.withdrawal_call(row)
    assert dead_letters.process_dead_letters() == 0
    assert status(row) == CycleStatus.DEAD_LETTER


def unwound_short(desk: TestDesk) -> Cycle:
    """Let a cycle sell its coins back while a part of them stands in suspense."""
    row = dead_with_coins(desk, "DEPOSIT", "upbit")
    intervening.unwind(row.pk, actor=operator(), reason="sell", seen_version=row.version)
    lines = postings.moved(
        "upbit", "XRP", Decimal(5), origin=AccountOwner.CYCLE, target=AccountOwner.SUSPENSE
    )
    booking.post("short", PostingKind.CREDITED, lines, cycle=row)
    return desk.drive_until(row, "DEAD_LETTER", "FAILED")


def test_an_unwind_hands_over_nothing_while_a_part_of_it_stands_in_suspense(desk: TestDesk) -> None:
    row = unwound_short(desk)
    assert (row.status, row.failure_class) == ("DEAD_LETTER", FailureClass.CREDIT_MISMATCH)
    assert balance("upbit", "XRP", "SUSPENSE", row) == 5
    assert balance("upbit", "KRW", "CYCLE", row) > 0


def test_the_operator_of_a_day_settles_an_unwind_that_something_in_suspense_keeps_from_its_end(
    desk: TestDesk,
) -> None:
    row = unwound_short(desk)
    website = Website(control_url=desk.running.control_url)
    Operator(website=website, patience=timedelta(0), say=lambda _text: None).tend()
    assert status(row) == CycleStatus.COMPLETED


@pytest.mark.parametrize("is_restored", [True, False])
def test_a_halted_or_restored_desk_moves_no_dead_letter(desk: TestDesk, is_restored: bool) -> None:
    desk.sample()
    dead_owning(1000)
    homing.leave() if is_restored else builders.desk(Mode.HALT)
    assert dead_letters.process_dead_letters() == 0
    homing.settle() if is_restored else builders.desk(Mode.RUN)
    assert dead_letters.process_dead_letters() == 1


def slept_at_its_lock(monkeypatch: pytest.MonkeyPatch) -> int:
    """Let a run judge a dead letter, and sleep for an hour before it has its row; gives how many recover."""
    read, asleep = time.clock_gettime, [timedelta()]

    def sleep(execute: Any, sql: str, *rest: Any) -> Any:
        if "FOR NO KEY UPDATE" in sql:
            asleep[0] = timedelta(hours=1)
        return execute(sql, *rest)

    monkeypatch.setattr(
        time, "clock_gettime", lambda clock: read(clock) + asleep[0].total_seconds()
    )
    with connection.execute_wrapper(sleep):
        return dead_letters.process_dead_letters()


def test_who_wakes_with_a_price_that_has_grown_old_sends_no_dead_letter_on(
    desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.sample()
    row = dead_owning(1000)
    assert slept_at_its_lock(monkeypatch) == 0
    assert status(row) == CycleStatus.DEAD_LETTER
    take_out(monkeypatch, dead_letters._sent_on, " or not still()")
    assert slept_at_its_lock(monkeypatch) == 1  # the negative control
