"""Halting against intending: no intent is written after a HALT."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction

from cycles.domain.words import Mode, Role
from cycles.errors import HaltedError
from cycles.models import Desk, ExchangeCall, Step
from cycles.services import desk as desk_services, leasing, stepping
from cycles.services.locking import lock_cycle, own_mode
from cycles.services.moving import Lease
from tests import builders
from tests.concurrency.meeting import SECONDS, root, until_somebody_waits
from tests.concurrency.orders import intend
from tests.concurrency.unguarded import database_without

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

SHARED = "    PERFORM pg_advisory_xact_lock_shared(mode_lock);\n"
READ = "    SELECT mode_reason INTO reason FROM cycles_desk WHERE id = 1 AND mode = 'HALT';\n"
CYCLE = "transactionid"  # how who waits for a row waits


def ready(cycles: int = 1) -> list[Lease]:
    """Give a desk that runs, and leased cycles."""
    builders.right_clocks()
    builders.desk(Mode.RUN)
    root()
    for _ in range(cycles):
        builders.cycle()
    return leasing.claim(Role.INITIATOR, "worker", limit=cycles)


def halt() -> None:
    """Halt the desk, on a thread of a test."""
    try:
        desk_services.set_mode(Mode.HALT, actor=root(), reason="smoke")
    finally:
        connection.close()


def mode() -> str:
    return Desk.objects.get().mode


def intended_while_a_halt_is_written(lease: Lease) -> Future[ExchangeCall]:
    """Let an intent come while the desk is being halted; gives what became of it."""
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        own_mode()
        told = pool.submit(intend, lease)
        until_somebody_waits()
        Desk.objects.update(mode=Mode.HALT)
    return told


def test_an_intent_that_waited_for_a_halt_is_refused() -> None:
    (lease,) = ready()
    told = intended_while_a_halt_is_written(lease)
    assert isinstance(told.exception(SECONDS), HaltedError)
    assert not ExchangeCall.objects.exists()


def test_the_negative_control_with_the_mode_read_before_its_lock_an_intent_follows_the_halt() -> (
    None
):
    (lease,) = ready()
    late = f"{READ}{SHARED}    IF reason IS NOT NULL THEN"
    with database_without("kimp_intend_v1", f"{SHARED}{READ}    IF FOUND THEN", late):
        told = intended_while_a_halt_is_written(lease)
    assert ExchangeCall.objects.get().pk == told.result(SECONDS).pk
    assert mode() == Mode.HALT


def test_a_halt_waits_for_an_intent_under_way() -> None:
    (lease,) = ready()
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            lock_cycle(lease.cycle_id)
            intending = pool.submit(intend, lease)
            until_somebody_waits(CYCLE)  # it has seen the mode, and writes when it has the cycle
            halting = pool.submit(halt)
            until_somebody_waits()
            assert mode() == Mode.RUN
        call = intending.result(SECONDS)
        halting.result(SECONDS)
    assert ExchangeCall.objects.get().pk == call.pk
    assert mode() == Mode.HALT


def test_the_negative_control_without_the_shared_lock_an_intent_is_written_after_the_halt() -> None:
    (lease,) = ready()
    with database_without("kimp_intend_v1", SHARED), ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            lock_cycle(lease.cycle_id)
            intending = pool.submit(intend, lease)
            until_somebody_waits(CYCLE)
            pool.submit(halt).result(SECONDS)
            assert mode() == Mode.HALT
            assert not ExchangeCall.objects.exists()
        call = intending.result(SECONDS)
    assert ExchangeCall.objects.get().pk == call.pk


def test_intents_do_not_wait_for_one_another() -> None:
    held, free = ready(cycles=2)

    def write(lease: Lease) -> Any:
        """Write an intent, with no other in its group."""
        row = builders.intent_row(lease, Step.objects.filter(cycle_id=lease.cycle_id)[0])
        try:
            return stepping.write_intents([row], waits=True)[0]
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            lock_cycle(held.cycle_id)
            waiting = pool.submit(write, held)
            until_somebody_waits(CYCLE)
            assert pool.submit(write, free).result(SECONDS).verdict == stepping.DONE
            assert not waiting.done()
        assert waiting.result(SECONDS).verdict == stepping.DONE
