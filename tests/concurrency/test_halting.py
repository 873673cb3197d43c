"""Halting against intending: no intent commits after a HALT."""

from __future__ import annotations

import threading

import pytest
from django.db import transaction
from django.db.models.functions import Now

from cycles.domain.words import Mode, Operation, Role
from cycles.errors import HaltedError
from cycles.models import Desk, ExchangeCall, Step
from cycles.services import calling, desk as desk_services, leasing
from cycles.services.moving import Lease
from tests import builders
from tests.concurrency.meeting import SECONDS, Meeting, root, together, until_somebody_waits

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def write_intent(lease: Lease) -> ExchangeCall:
    """Write an intent without asking for the mode."""
    return ExchangeCall.objects.create(
        cycle_id=lease.cycle_id, step=Step.objects.filter(cycle_id=lease.cycle_id)[0],
        operation=Operation.PLACE_ORDER, venue="binance", attempt=1, client_order_id="k1",
        fence=lease.fence, fingerprint="", request={}, intended_at=Now(),
    )  # fmt: skip


def ready() -> Lease:
    """Give a desk that runs and a leased cycle."""
    builders.desk(Mode.RUN)
    builders.cycle()
    (lease,) = leasing.claim(Role.INITIATOR, "worker", limit=1)
    return lease


def halt() -> bool:
    """Halt the desk."""
    desk_services.set_mode(Mode.HALT, actor=root(), reason="smoke")
    return True


def test_a_halt_waits_for_intents_under_way_and_none_commits_after_it() -> None:
    lease = ready()
    root()
    asked = threading.Event()

    def intend() -> bool:
        with transaction.atomic():
            calling.refuse_if_halted()
            asked.set()
            until_somebody_waits()  # the halt stands before our lock
            assert Desk.objects.get().mode == Mode.RUN
            write_intent(lease)
        return True

    def halting() -> bool:
        assert asked.wait(SECONDS)
        return halt()

    assert together(intend, halting) == [True, True]
    call, desk = ExchangeCall.objects.get(), Desk.objects.get()
    assert desk.mode == Mode.HALT
    assert call.intended_at < desk.mode_changed_at
    with pytest.raises(HaltedError):
        calling.refuse_if_halted()


def test_intents_do_not_wait_for_one_another() -> None:
    lease = ready()
    both_hold = Meeting()

    def intend() -> bool:
        with transaction.atomic():
            calling.refuse_if_halted()
            both_hold.wait()
        return True

    assert together(intend, intend) == [True, True]
    assert lease.fence == 1


def test_the_negative_control_without_the_shared_lock_an_intent_commits_after_the_halt() -> None:
    lease = ready()
    root()
    read, halted = threading.Event(), threading.Event()

    def intend_unguarded() -> bool:
        with transaction.atomic():
            assert Desk.objects.get().mode == Mode.RUN
            read.set()
            assert halted.wait(SECONDS)
            write_intent(lease)
        return True

    def halting() -> bool:
        assert read.wait(SECONDS)
        halt()
        halted.set()
        return True

    assert together(intend_unguarded, halting) == [True, True]
    call, desk = ExchangeCall.objects.get(), Desk.objects.get()
    assert call.intended_at > desk.mode_changed_at
