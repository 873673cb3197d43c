"""A worker that wakes after its lease is gone: it may note facts, it may not decide."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import transaction
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome, CycleStatus, FailureClass, Operation, Role
from cycles.errors import LeaseLostError
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import advancing, calling, leasing, moving, retrying
from cycles.services.calling import Noted
from cycles.services.intents import Intent
from cycles.services.locking import lock_cycle
from cycles.services.moving import Lease
from tests import builders
from tests.concurrency.meeting import SECONDS, together

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _clocks_are_right() -> None:
    builders.right_clocks()


def claim(owner: str) -> Lease:
    """Claim the one cycle."""
    (lease,) = leasing.claim(Role.INITIATOR, owner, limit=1)
    return lease


def lose_lease(row: Cycle) -> Lease:
    """Let the lease run out and another worker take the cycle."""
    Cycle.objects.filter(pk=row.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    return claim("other")


def intended(lease: Lease, *, lease_left: timedelta | None = None) -> ExchangeCall:
    """Commit an intent under a lease, which has so much time left."""
    if lease_left is not None:
        Cycle.objects.filter(pk=lease.cycle_id).update(lease_expires_at=Now() + lease_left)
    step = Step.objects.filter(cycle_id=lease.cycle_id)[0]
    payload = {"market": "XRP/USDT", "side": "buy", "quantity": "1"}
    intent = Intent(operation=Operation.PLACE_ORDER, payload=payload, client_order_id="k1")
    return calling.intend(lease, step, intent)


def test_what_became_of_a_call_is_noted_by_the_lease_it_was_intended_under_only() -> None:
    builders.cycle()
    lease = claim("worker")
    call = intended(lease)
    taken_for_ours = ExchangeCall.objects.get(pk=call.pk)
    taken_for_ours.fence -= 1
    not_sent = Noted(outcome=CallOutcome.NOT_SENT, error="the lease ran out before it was sent")
    assert not calling.write_outcome(taken_for_ours, not_sent)
    assert ExchangeCall.objects.get(pk=call.pk).outcome == CallOutcome.INTENDED
    assert calling.write_outcome(call, not_sent)


def test_a_request_that_a_promoted_standby_lacked_is_noted_in_no_other_ones_place() -> None:
    """The number of the call's row was given to another, as may happen there."""
    builders.cycle()
    lease = claim("worker")
    call = intended(lease)
    forgotten = ExchangeCall.objects.get(pk=call.pk)
    forgotten.client_order_id = "k2"
    refused = Noted(outcome=CallOutcome.REFUSED, refusal="funds", error="no funds")
    with pytest.raises(LeaseLostError, match="does not know"):
        calling.note(lease, forgotten, refused)
    with pytest.raises(LeaseLostError, match="does not know"):
        calling.note(replace(lease, cycle_id=uuid4()), forgotten, refused)
    assert ExchangeCall.objects.get(pk=call.pk).outcome == CallOutcome.INTENDED
    calling.note(lease, call, refused)
    assert ExchangeCall.objects.get(pk=call.pk).outcome == CallOutcome.REFUSED


def test_a_worker_that_wakes_late_notes_the_fact_and_settles_nothing() -> None:
    row = builders.cycle()
    lease = claim("sleeper")
    call = intended(lease)
    venue_answers, taken_over = threading.Event(), threading.Event()
    settled: list[ExchangeCall] = []

    def sleeper() -> bool:
        """Call, sleep past the lease, wake, and write down what the venue said."""
        venue_answers.set()
        assert taken_over.wait(SECONDS)
        noted = Noted(outcome=CallOutcome.REFUSED, refusal="funds", error="no funds")
        calling.note(lease, call, noted, lambda _cycle, written: settled.append(written))
        return True

    def other() -> bool:
        assert venue_answers.wait(SECONDS)
        lose_lease(row)
        taken_over.set()
        return True

    late, quick = together(sleeper, other)
    assert isinstance(late, LeaseLostError)
    assert quick is True
    call.refresh_from_db()
    assert call.outcome == CallOutcome.REFUSED  # facts are never fenced
    assert settled == []
    row.refresh_from_db()
    assert (row.status, row.lease_owner) == (CycleStatus.STARTED, "other")


def fail(lease: Lease) -> None:
    """Decide that the cycle failed."""
    retrying.fail(lease, FailureClass.BUG, "r", actor="sleeper")


def settle(lease: Lease) -> object:
    """Lock the cycle to settle something."""
    with transaction.atomic():
        return moving.lock_for_decision(lease)


@pytest.mark.parametrize("decide", [fail, intended, settle])
def test_a_worker_that_lost_its_lease_decides_nothing(decide: Callable[[Lease], object]) -> None:
    row = builders.cycle()
    lost = claim("sleeper")
    lose_lease(row)
    before = Cycle.objects.filter(pk=row.pk).values().get()
    with pytest.raises(LeaseLostError):
        decide(lost)
    assert not leasing.release(lost, wake_in=timedelta(hours=1))
    assert Cycle.objects.filter(pk=row.pk).values().get() == before
    assert not ExchangeCall.objects.exists()


@pytest.mark.parametrize("is_taken_over", [True, False])
def test_a_worker_that_wakes_with_its_lease_over_sends_nothing(is_taken_over: bool) -> None:
    row = builders.cycle()
    lease = claim("sleeper")
    call = intended(lease, lease_left=timedelta(milliseconds=50))
    sleep_past_the_lease(row)
    if is_taken_over:
        claim("other")
    sent: list[bool] = []
    noted = calling.called(call, lambda: sent.append(True))
    assert noted.outcome == CallOutcome.NOT_SENT
    assert sent == []


def test_a_worker_whose_lease_stands_sends() -> None:
    builders.cycle()
    call = intended(claim("waker"), lease_left=timedelta(seconds=60))
    sent: list[bool] = []
    calling.called(call, lambda: sent.append(True))
    assert sent == [True]


def sleep_past_the_lease(row: Cycle) -> None:
    """Wait until the lease has run out by the database's clock."""
    ends_at = time.monotonic() + SECONDS
    while not Cycle.objects.filter(pk=row.pk, lease_expires_at__lte=Now()).exists():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def test_a_driver_whose_lease_was_lost_ends_quietly() -> None:
    row = builders.cycle()
    lost = claim("sleeper")
    lose_lease(row)
    advancing.advance(lost)
    row.refresh_from_db()
    assert (row.status, row.lease_owner, row.retry_count) == (CycleStatus.STARTED, "other", 0)


def test_the_negative_control_without_the_fence_the_late_worker_decides() -> None:
    row = builders.cycle()
    claim("sleeper")
    lose_lease(row)
    with transaction.atomic():  # as `lock_for_decision`, but the fence is not compared
        locked = lock_cycle(row.pk)
        moving.move(
            locked, CycleStatus.INITIAL_TRADE_COMPLETED, event="stale", actor="sleeper",
            wake_at=Now(),
        )  # fmt: skip
    row.refresh_from_db()
    assert row.status == CycleStatus.INITIAL_TRADE_COMPLETED
    assert row.lease_owner == "other"  # decided over the head of who holds it


def test_the_negative_control_without_the_look_the_late_worker_would_send() -> None:
    row = builders.cycle()
    call = intended(claim("sleeper"))
    lose_lease(row)
    sent: list[bool] = []
    calling._classified(lambda: sent.append(True))
    assert sent == [True]
    assert call.outcome == CallOutcome.INTENDED
