"""A worker that wakes after its lease is gone: it may note facts, it may not decide.

Whoever took the cycle: another process, or its own, whose other thread claimed it anew. Only the fence tells the
sleeper from that one.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from django.db import connection, transaction
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome, CycleStatus, FailureClass, Operation, Role
from cycles.errors import LeaseLostError
from cycles.models import Cycle, ExchangeCall, Fill, Step
from cycles.services import advancing, calling, leasing, moving, retrying, settling, stepping
from cycles.services.calling import Noted
from cycles.services.intents import Intent
from cycles.services.locking import lock_cycle
from cycles.services.moving import Lease
from cycles.services.stepping import Settlement
from tests import builders
from tests.concurrency.meeting import SECONDS, together
from tests.concurrency.orders import filled
from tests.concurrency.unguarded import database_without, take_out

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _clocks_are_right() -> None:
    builders.right_clocks()


def claim(owner: str) -> Lease:
    """Claim the one cycle."""
    (lease,) = leasing.claim(Role.INITIATOR, owner, limit=1)
    return lease


@pytest.fixture(params=["other", "sleeper"])
def taker(request: pytest.FixtureRequest) -> str:
    """Give who takes the cycle that the sleeper lost."""
    name: str = request.param
    return name


def lose_lease(row: Cycle, to: str) -> Lease:
    """Let the lease run out and a worker take the cycle."""
    Cycle.objects.filter(pk=row.pk).update(lease_expires_at=Now() - timedelta(seconds=1))
    return claim(to)


def as_it_stands(row: Cycle) -> Mapping[str, object]:
    """Give every column of a cycle."""
    return Cycle.objects.filter(pk=row.pk).values().get()


def intended(lease: Lease, *, lease_left: timedelta | None = None) -> ExchangeCall:
    """Commit an intent under a lease, which has so much time left."""
    if lease_left is not None:
        Cycle.objects.filter(pk=lease.cycle_id).update(lease_expires_at=Now() + lease_left)
    step = Step.objects.filter(cycle_id=lease.cycle_id)[0]
    payload = {"market": "XRP/USDT", "side": "buy", "quantity": "1"}
    named = lease.cycle_id.hex
    intent = Intent(operation=Operation.PLACE_ORDER, payload=payload, client_order_id=named)
    return calling.intend(lease, step, intent)


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


def test_a_cycle_that_a_promoted_standby_lacks_is_no_workers_any_more() -> None:
    builders.desk()
    step = Step.objects.filter(cycle=builders.cycle()).order_by("position")[0]
    intent = Intent(operation=Operation.PLACE_ORDER, payload={}, client_order_id="k-lacking")
    with pytest.raises(LeaseLostError):
        calling.intend(Lease(cycle_id=uuid4(), owner="waker", fence=1), step, intent)
    assert not ExchangeCall.objects.exists()


def test_a_worker_that_wakes_late_notes_the_fact_and_settles_nothing(taker: str) -> None:
    row = builders.cycle()
    lease = claim("sleeper")
    call = intended(lease)
    noted = accepted(call)
    venue_answers, taken_over = threading.Event(), threading.Event()
    settled: list[ExchangeCall] = []

    def sleeper() -> bool:
        """Call, sleep past the lease, wake, and write down what the venue said."""
        venue_answers.set()
        assert taken_over.wait(SECONDS)
        calling.note(lease, call, noted, lambda _cycle, written: settled.append(written))
        return True

    def other() -> bool:
        assert venue_answers.wait(SECONDS)
        lose_lease(row, taker)
        taken_over.set()
        return True

    late, quick = together(sleeper, other)
    assert isinstance(late, LeaseLostError)
    assert quick is True
    call.refresh_from_db()
    assert call.outcome == CallOutcome.DONE  # facts are never fenced
    assert (call.is_settled, settled) == (False, [])
    row.refresh_from_db()
    assert (row.status, row.lease_owner) == (CycleStatus.STARTED, taker)


def accepted(call: ExchangeCall) -> Noted:
    """Give the outcome of an order that was filled whole."""
    return Noted(outcome=CallOutcome.DONE, report=filled(call))


def settlement(call: ExchangeCall, **facts: Any) -> Settlement:
    """Give what an order did that was filled whole."""
    cycle = Cycle.objects.get(pk=call.cycle_id)
    whole = settling.order_settlement(cycle, call, filled(call), is_step_done=True)
    return replace(whole, **facts)


def fail(lease: Lease) -> None:
    """Decide that the cycle failed."""
    retrying.fail(lease, FailureClass.BUG, "r", actor="sleeper")


def move(lease: Lease) -> None:
    """Decide that the cycle has come further."""
    with transaction.atomic():
        cycle = moving.lock_for_decision(lease)
        moving.move(cycle, CycleStatus.INITIAL_TRADE_COMPLETED, event="stale", actor="sleeper")


def settle(lease: Lease) -> None:
    """Decide that a step has ended."""
    with transaction.atomic():
        cycle = moving.lock_for_decision(lease)
        settling.finish_step(cycle, Step.objects.filter(cycle=cycle)[0])


def release(lease: Lease) -> bool:
    """Hand the cycle back."""
    return leasing.release(lease, wake_in=timedelta(hours=1))


@pytest.mark.parametrize("decide", [fail, intended, move, settle])
def test_a_worker_that_lost_its_lease_decides_nothing(
    taker: str, decide: Callable[[Lease], object]
) -> None:
    row = builders.cycle()
    lost = claim("sleeper")
    lose_lease(row, taker)
    before = as_it_stands(row)
    with pytest.raises(LeaseLostError):
        decide(lost)
    assert as_it_stands(row) == before
    assert not ExchangeCall.objects.exists()


def test_a_worker_that_lost_its_lease_hands_nothing_back(taker: str) -> None:
    row = builders.cycle()
    lost = claim("sleeper")
    lose_lease(row, taker)
    before = as_it_stands(row)
    assert not release(lost)
    assert as_it_stands(row) == before


def test_a_worker_that_lost_its_lease_books_nothing(taker: str) -> None:
    row = builders.cycle()
    lost = claim("sleeper")
    call = intended(lost)
    lose_lease(row, taker)
    before = as_it_stands(row)
    assert not calling.book(lost, call, accepted(call), settlement(call))
    assert as_it_stands(row) == before
    assert not Fill.objects.exists()
    call.refresh_from_db()
    assert call.outcome == CallOutcome.INTENDED


def test_what_was_decided_on_a_cycle_that_has_changed_since_is_not_booked() -> None:
    """Its lease holds; whether its step is done was read off what it owned."""
    row = builders.cycle()
    lease = claim("worker")
    call = intended(lease)
    seen = Cycle.objects.get(pk=row.pk).version
    whole = settlement(call, version=seen)
    with transaction.atomic():
        moving.touch(lock_cycle(row.pk), failure_reason="an operator was here")
    assert not calling.book(lease, call, accepted(call), whole)
    assert not Fill.objects.exists()
    with database_without("kimp_settle_v2", "(w.version IS NULL OR c.version = w.version)", "true"):
        assert calling.book(lease, call, accepted(call), whole)  # the negative control


def settled_by_the_last_release(lease: Lease, call: ExchangeCall) -> str:
    """Settle as workers of the last release do, which may still run; gives the verdict."""
    mine = settlement(call, owner=lease.owner, fence=lease.fence, is_noted=True)
    rows = msgspec.json.encode([stepping.settlement_row(mine)]).decode()
    with connection.cursor() as cursor:
        cursor.execute("SELECT o_verdict FROM kimp_settle_v1(%s::jsonb, true)", [rows])
        (verdict,) = cursor.fetchone()
    return str(verdict)


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


def test_a_driver_whose_lease_was_lost_ends_quietly(taker: str) -> None:
    row = builders.cycle()
    lost = claim("sleeper")
    lose_lease(row, taker)
    advancing.advance(lost)
    row.refresh_from_db()
    assert (row.status, row.lease_owner, row.retry_count) == (CycleStatus.STARTED, taker, 0)


def test_the_negative_control_without_the_look_the_late_worker_sends(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = builders.cycle()
    call = intended(claim("sleeper"), lease_left=timedelta(milliseconds=50))
    sleep_past_the_lease(row)
    claim("other")
    take_out(monkeypatch, calling.called, "if objection:", "if False:")
    sent: list[bool] = []
    calling.called(call, lambda: sent.append(True))
    assert sent == [True]
