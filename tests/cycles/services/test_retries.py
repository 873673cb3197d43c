"""The retry ladders in rows: counters, history, due times, roles, and the end of patience."""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from cycles import selectors
from cycles.domain.states import HOPELESS
from cycles.domain.words import CycleStatus, FailureClass, Plan, Role
from cycles.models import Alert, Cycle, Retry, Step, Transition
from cycles.services import desk, leasing
from cycles.services.advancing import advance, one_unit
from cycles.services.moving import lock_for_decision
from cycles.services.settling import finish_step
from tests import builders
from tests.cycles.services.acts import claimed, fail, holding_coins, make_due
from tests.kimp.log_lines import captured

pytestmark = pytest.mark.django_db

TRANSIENT = FailureClass.TRANSIENT


@pytest.fixture(autouse=True)
def _life_size(settings: Any) -> None:
    """Let durations be as the policy states them."""
    settings.KIMP_TIME_SCALE = Decimal(1)


def resumed(row: Cycle) -> Cycle:
    """Let a due retry resume."""
    make_due(row)
    role = Role.INITIATOR if row.resume_status == "STARTED" else Role.FINALIZER
    lease = claimed(row, role)
    one_unit(lease)
    leasing.release(lease, wake_in=timedelta(0))
    row.refresh_from_db()
    return row


def test_a_transient_failure_is_kept_and_planned_to_be_tried_again() -> None:
    row = fail(builders.cycle(), TRANSIENT, "no answer", venue="binance")
    assert (row.status, row.resume_status, row.plan) == ("RETRY_PENDING", "STARTED", Plan.RESUME)
    assert (row.failure_class, row.failure_reason) == ("TRANSIENT", "no answer")
    assert (row.retry_count, row.max_retries) == (1, 3)
    assert row.next_retry_at == row.wake_at
    assert (row.lease_owner, row.lease_expires_at) == ("", None)
    written = Retry.objects.get(cycle=row)
    assert (written.attempt, written.failure_class, written.error) == (1, "TRANSIENT", "no answer")
    assert written.context == {"venue": "binance"}
    assert written.next_retry_at == row.next_retry_at
    last = Transition.objects.filter(cycle=row).last()
    assert last is not None
    assert (last.event, last.version) == ("failed:TRANSIENT", row.version)


@pytest.mark.parametrize(("attempt", "longest"), [(1, 300), (2, 600), (3, 1200)])
def test_the_wait_stays_inside_the_calm_ladder(attempt: int, longest: int) -> None:
    row = builders.cycle()
    Cycle.objects.filter(pk=row.pk).update(retry_count=attempt - 1)
    fail(row, TRANSIENT)
    assert row.next_retry_at is not None
    wait = row.next_retry_at - row.status_since
    assert timedelta(seconds=-1) <= wait <= timedelta(seconds=longest)


def test_the_count_goes_up_by_one_from_what_the_database_holds() -> None:
    row = builders.cycle()
    seen_before = Cycle.objects.get(pk=row.pk)
    Cycle.objects.filter(pk=row.pk).update(retry_count=1)
    assert seen_before.retry_count == 0
    assert fail(seen_before, TRANSIENT).retry_count == 2


def test_a_retry_is_not_claimed_before_it_is_due() -> None:
    row = fail(builders.cycle(), TRANSIENT)
    Cycle.objects.filter(pk=row.pk).update(wake_at=desk.database_now() + timedelta(minutes=1))
    assert leasing.claim(Role.INITIATOR, "tester", limit=5) == []


def test_a_due_retry_is_resumed_by_the_role_of_its_status_only() -> None:
    row = fail(builders.cycle(), TRANSIENT)
    make_due(row)
    assert leasing.claim(Role.FINALIZER, "tester", limit=5) == []
    lease = claimed(row, Role.INITIATOR)
    one_unit(lease)
    row.refresh_from_db()
    assert row.status == CycleStatus.STARTED
    assert row.retry_count == 1
    assert row.next_retry_at is None
    assert row.last_retry_at is not None


def test_the_finalizer_resumes_what_failed_on_the_way_back() -> None:
    row = builders.moved_to(builders.cycle(), CycleStatus.INITIAL_TRADE_COMPLETED)
    fail(row, TRANSIENT)
    make_due(row)
    assert leasing.claim(Role.INITIATOR, "tester", limit=5) == []
    one_unit(claimed(row, Role.FINALIZER))
    row.refresh_from_db()
    assert row.status == CycleStatus.INITIAL_TRADE_COMPLETED


def test_the_count_starts_anew_when_a_step_settles() -> None:
    row = resumed(fail(builders.cycle(), TRANSIENT))
    lease = claimed(row)
    with transaction.atomic():
        finish_step(lock_for_decision(lease), Step.objects.filter(cycle=row)[0])
    row.refresh_from_db()
    assert (row.retry_count, row.failure_class, row.failure_reason) == (0, "", "")
    leasing.release(lease, wake_in=timedelta(0))
    assert fail(row, TRANSIENT).retry_count == 1


def test_patience_ends_after_three_retries_with_one_alert_that_tells_all() -> None:
    builders.sample("USDT", krw_per_usdt_bid=Decimal(1400))
    row = builders.cycle(usdt=5000)
    with captured(logging.ERROR) as lines:
        for _ in range(4):
            fail(row, TRANSIENT, "no answer")
            if row.status == CycleStatus.RETRY_PENDING:
                resumed(row)
    assert row.status == CycleStatus.DEAD_LETTER
    assert (row.retry_count, row.max_retries) == (3, 3)
    assert (row.wake_at, row.next_retry_at, row.lease_owner) == (None, None, "")
    assert [one.attempt for one in Retry.objects.filter(cycle=row)] == [1, 2, 3, 4]
    alert = Alert.objects.get(cycle=row)
    assert alert.severity == "CRITICAL"
    for fact in (row.code, "TRANSIENT", "no answer", "3 of 3", "₩7,000,000", str(row.pk)):
        assert fact in alert.title + alert.body
    told = lines.named("cycle.dead_letter")
    assert len(told) == 1
    assert told[0]["manual_intervention_required"] is True
    assert told[0]["money_at_risk_krw"] == "7000000"


@pytest.mark.parametrize("failure", sorted(HOPELESS))
def test_what_no_retry_mends_is_a_dead_letter_at_once(failure: FailureClass) -> None:
    row = fail(builders.cycle(), failure)
    assert row.status == CycleStatus.DEAD_LETTER
    assert (row.retry_count, row.resume_status) == (0, "STARTED")
    assert Retry.objects.get(cycle=row).attempt == 1
    assert Alert.objects.filter(cycle=row).count() == 1


def test_coins_in_hand_take_the_urgent_ladder_and_an_alert_at_once() -> None:
    row = fail(holding_coins(), TRANSIENT, "no answer")
    assert (row.status, row.max_retries) == ("RETRY_PENDING", 10)
    assert row.next_retry_at is not None
    assert row.next_retry_at - row.status_since <= timedelta(seconds=2)
    alert = Alert.objects.get(cycle=row)
    assert (alert.severity, "holds coins" in alert.title) == ("WARNING", True)


def test_the_alert_about_exposure_is_told_once_a_spell() -> None:
    row = resumed(fail(holding_coins(), TRANSIENT))
    fail(row, TRANSIENT)
    assert Alert.objects.filter(cycle=row).count() == 1


def test_coins_are_tried_ten_times() -> None:
    row = holding_coins()
    Cycle.objects.filter(pk=row.pk).update(retry_count=9)
    assert fail(row, TRANSIENT).status == CycleStatus.RETRY_PENDING
    assert (row.retry_count, row.max_retries) == (10, 10)
    assert fail(resumed(row), TRANSIENT).status == CycleStatus.DEAD_LETTER


def test_the_ladder_is_that_of_the_policy_the_cycle_was_opened_under() -> None:
    row = builders.cycle(policy=builders.policy(calm_attempts=1))
    builders.policy(calm_attempts=9)
    fail(resumed(fail(row, TRANSIENT)), TRANSIENT)
    assert (row.status, row.max_retries) == ("DEAD_LETTER", 1)


def test_a_cycle_is_handed_back_when_it_fails() -> None:
    row = builders.cycle("NOSUCH")  # no rules are known of it: stale reference data
    advance(claimed(row))
    row.refresh_from_db()
    assert (row.status, row.failure_class, row.lease_owner) == ("RETRY_PENDING", "TRANSIENT", "")


def test_a_bug_while_resuming_is_a_dead_letter_that_keeps_the_status_to_resume() -> None:
    row = fail(fail(builders.cycle(), TRANSIENT), FailureClass.BUG, "while resuming")
    assert (row.status, row.resume_status) == (CycleStatus.DEAD_LETTER, CycleStatus.STARTED)


def test_the_timeline_of_a_death_tells_its_status_and_failure_before_the_alert() -> None:
    row = fail(builders.cycle(), FailureClass.BUG, "a bug")
    told = [item.kind.value for item in selectors.timeline(row)]
    assert told[-3:] == ["transition", "retry", "alert"]
