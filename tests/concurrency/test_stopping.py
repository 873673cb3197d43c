"""A worker that is told to stop ends soon, whatever others keep locked and wherever its database is."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import OperationalError, connection, transaction

from cycles.domain.words import Role
from cycles.models import Cycle
from cycles.services import leasing, working
from cycles.services.crew import Crew
from cycles.services.outage import Outage
from cycles.services.working import Patience, Worker
from tests import builders
from tests.concurrency.meeting import SECONDS, until_somebody_waits
from tests.cycles.services.test_holding import locked_elsewhere
from tests.desk import eventually

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

HANGING = {
    "claimer",
    "keeper",
    "parting",
}  # until they are answered: the process would end without them
SOON = 4.0  # seconds: a lock is waited for five times as long as three


def test_what_hangs_is_handed_back_around_a_row_that_somebody_keeps_locked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _ in range(3):
        builders.cycle()
    monkeypatch.setattr(working, "STOP_SECONDS", 0.0)
    worker = Worker(Role.INITIATOR)
    leases = leasing.claim(Role.INITIATOR, worker.owner, limit=3)
    for lease in leases:
        worker._held.take(lease)
    began = time.monotonic()
    with locked_elsewhere(leases[0]):
        worker._end(Crew(1, "hanging"))
        assert time.monotonic() - began < SOON
        free = Cycle.objects.filter(lease_owner="").values_list("pk", flat=True)
        assert set(free) == {lease.cycle_id for lease in leases[1:]}
    assert all(lease.given_up.is_set() for lease in leases)


def test_two_leases_of_one_cycle_are_handed_back_by_the_newer() -> None:
    builders.cycle()
    (old,) = leasing.claim(Role.INITIATOR, "tester", limit=1)
    Cycle.objects.update(lease_owner="", lease_expires_at=None)
    (new,) = leasing.claim(Role.INITIATOR, "tester", limit=1)
    leasing.hand_back([new, old])
    assert Cycle.objects.get().lease_owner == ""


@contextmanager
def unanswered(*tables: str) -> Iterator[None]:
    """Let every statement about some tables wait, as for a database that has gone away, for a block."""
    is_over, is_kept = threading.Event(), threading.Event()

    def keep() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute(f"LOCK TABLE {', '.join(tables)} IN ACCESS EXCLUSIVE MODE")
            is_kept.set()
            assert is_over.wait(60)
        connection.close()

    thread = threading.Thread(target=keep, daemon=True)
    thread.start()
    assert is_kept.wait(SECONDS)
    try:
        yield
    finally:
        is_over.set()
        thread.join(SECONDS)


def test_a_worker_whose_statements_are_not_answered_ends_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Claim, hand-back and farewell wait for the database one after the other, each as long as it lets them."""
    for name, seconds in (("STOP_SECONDS", 0.2), ("PARTED_SECONDS", 0.4)):
        monkeypatch.setattr(working, name, seconds)
    builders.right_clocks()
    builders.desk()
    builders.cycle()
    worker = Worker(Role.INITIATOR, patience=Patience(0.5))
    worker._held.take(*leasing.claim(Role.INITIATOR, worker.owner, limit=1))
    with unanswered("cycles_cycle", "cycles_heartbeat"):
        run = threading.Thread(target=worker.run, daemon=True)
        run.start()
        until_somebody_waits("relation")
        worker.stop.set()
        run.join(2 * SOON)
        assert not run.is_alive()
    eventually(lambda: not {one.name for one in threading.enumerate()} & HANGING)


def test_after_its_last_try_to_hand_back_a_worker_pauses_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    builders.cycle()
    (lease,) = leasing.claim(Role.INITIATOR, "tester", limit=1)
    pauses: list[float] = []
    monkeypatch.setattr("cycles.services.leasing.time.sleep", pauses.append)
    with locked_elsewhere(lease):
        leasing.hand_back([lease])
    assert len(pauses) == leasing.HAND_BACK_TRIES - 1


def test_a_worker_whose_database_is_away_hears_that_it_is_to_stop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def away(*_: object, **__: object) -> None:
        raise OperationalError("the server is gone")

    monkeypatch.setattr(leasing, "claim", away)
    naps = threading.Event()

    def long_pause(_: Outage) -> timedelta:
        naps.set()
        return timedelta(seconds=10)

    monkeypatch.setattr(Outage, "longer_pause", long_pause)
    worker = Worker(Role.INITIATOR)
    loop = threading.Thread(target=worker._loop, args=(Crew(1, "crew"),), daemon=True)
    loop.start()
    assert naps.wait(10)
    worker.stop.set()
    loop.join(SOON)
    assert not loop.is_alive()
