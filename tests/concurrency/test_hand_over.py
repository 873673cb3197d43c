"""A worker that is told to stop hands back what hangs: the cycle is another's, and nothing more is sent for it."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome, Operation, Role
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import calling, leasing, working
from cycles.services.calling import Noted
from cycles.services.crew import Crew
from cycles.services.intents import Intent
from cycles.services.moving import Lease
from cycles.services.working import Worker
from tests import builders
from tests.concurrency.meeting import SECONDS
from tests.concurrency.unguarded import take_out

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


class Hanging:
    """A worker's thread that has committed its intent, and hangs before it sends."""

    def __init__(self, worker: Worker, lease: Lease) -> None:
        self.lease, self.worker = lease, worker
        self.is_intended, self.may_wake, self.has_ended = (threading.Event() for _ in range(3))
        self.sent: list[str] = []

    def drive(self) -> None:
        step = Step.objects.filter(cycle_id=self.lease.cycle_id)[0]
        payload = {"market": "XRP/USDT", "side": "buy", "quantity": "1"}
        intent = Intent(operation=Operation.PLACE_ORDER, payload=payload, client_order_id="k1")
        call = calling.intend(self.lease, step, intent)
        self.is_intended.set()
        assert self.may_wake.wait(SECONDS)
        noted = calling.called(call, lambda: self.sent.append("k1"))
        calling.write_outcome(call, noted)
        self.has_ended.set()


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Hanging:
    """Give a thread that hangs while its worker has waited for it in vain, and has handed its cycle back."""
    builders.right_clocks()
    builders.cycle()
    monkeypatch.setattr(working, "STOP_SECONDS", 0.0)
    worker = Worker(Role.INITIATOR)
    (lease,) = leasing.claim(Role.INITIATOR, worker.owner, limit=1)
    worker._held.take(lease)
    made, crew = Hanging(worker, lease), Crew(1, "hanging")
    crew.submit(made.drive)
    assert made.is_intended.wait(SECONDS)
    worker._end(crew)
    return made


def another_judges_it_absent() -> ExchangeCall:
    """Let the next worker find the intent, see nothing of it for longer than any window, and go by that."""
    (lease,) = leasing.claim(Role.INITIATOR, "another", limit=1)
    call = ExchangeCall.objects.get(cycle_id=lease.cycle_id)
    assert call.outcome == CallOutcome.INTENDED
    calling.write_outcome(call, Noted(outcome=CallOutcome.UNKNOWN))
    ExchangeCall.objects.update(noted_at=F("noted_at") - timedelta(minutes=3))
    calling.write_outcome(call, Noted(outcome=CallOutcome.ABSENT))
    call.refresh_from_db()
    return call


def test_what_hangs_is_free_for_another_at_once(hanging: Hanging) -> None:
    row = Cycle.objects.get()
    assert (row.lease_owner, row.lease_expires_at) == ("", None)
    assert Cycle.objects.filter(wake_at__lte=Now()).exists()
    hanging.may_wake.set()
    assert hanging.has_ended.wait(SECONDS)


def test_a_thread_that_wakes_after_the_hand_over_sends_nothing(hanging: Hanging) -> None:
    call = another_judges_it_absent()
    hanging.may_wake.set()
    assert hanging.has_ended.wait(SECONDS)
    assert hanging.sent == []
    assert call.outcome == CallOutcome.ABSENT


def test_what_it_did_not_send_is_noted_for_the_next_worker(hanging: Hanging) -> None:
    hanging.may_wake.set()
    assert hanging.has_ended.wait(SECONDS)
    call = ExchangeCall.objects.get()
    assert (call.outcome, hanging.sent) == (CallOutcome.NOT_SENT, [])
    assert "handed the cycle back" in call.error


def test_the_negative_control_a_hand_over_that_forgets_the_thread_lets_it_send(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = another_judges_it_absent()
    take_out(monkeypatch, calling._objection, "call.given_up.is_set()", "False")
    hanging.may_wake.set()
    assert hanging.has_ended.wait(SECONDS)
    assert call.outcome == CallOutcome.ABSENT
    assert hanging.sent == ["k1"]
