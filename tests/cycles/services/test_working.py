"""How often a worker claims, where claiming again at once brings nothing: counted, never timed."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import LiteralString

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from cycles.domain.words import Role
from cycles.models import Cycle
from cycles.services import desk, working
from cycles.services.crew import Crew, Job
from cycles.services.moving import Lease
from cycles.services.outage import FIRST_PAUSE, Outage, longer
from cycles.services.working import Worker
from tests import builders
from tests.cycles.services.test_holding import locked_elsewhere
from tests.cycles.services.test_outage import Clock
from tests.desk import TestDesk

pytestmark = pytest.mark.django_db(transaction=True)

REFUSING: LiteralString = """
CREATE FUNCTION kimp_test_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'could not extend the file' USING ERRCODE = 'disk_full'; END $$;
CREATE TRIGGER refused BEFORE INSERT ON cycles_exchangecall EXECUTE FUNCTION kimp_test_refuse();
"""
COUNTING: LiteralString = """
CREATE SEQUENCE kimp_test_claims;
CREATE FUNCTION kimp_test_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN PERFORM nextval('kimp_test_claims'); RETURN NULL; END $$;
CREATE TRIGGER counted AFTER UPDATE OF lease_owner ON cycles_cycle
  FOR EACH STATEMENT EXECUTE FUNCTION kimp_test_count();
"""
SLEPT_SECONDS = 5.0
SOON, NEVER = timedelta(seconds=5), timedelta(hours=1)


class Here(Crew):
    """Does each job before the next claim, on the claiming thread."""

    def submit(self, job: Job | None) -> None:
        """Do it."""
        if job is not None:
            job()


@contextmanager
def full_disk() -> Iterator[None]:
    """Let the database claim and read, and refuse every intent."""
    with connection.cursor() as cursor:
        cursor.execute(REFUSING)
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP FUNCTION kimp_test_refuse CASCADE")


@dataclass
class Later(Crew):
    """Keeps the jobs for whoever does them."""

    jobs: list[Job | None] = field(default_factory=list)

    def submit(self, job: Job | None) -> None:
        """Keep it."""
        self.jobs.append(job)


def fell_due(row: Cycle) -> None:
    Cycle.objects.filter(pk=row.pk).update(wake_at=Now())


def left_alone(row: Cycle, since: datetime) -> timedelta:
    """Give how long after an instant of the database's a cycle falls due."""
    wake_at = Cycle.objects.get(pk=row.pk).wake_at
    assert wake_at is not None
    return wake_at - since


def test_a_cycle_whose_driving_the_database_refuses_is_left_alone_for_longer_and_longer(
    committed_desk: TestDesk, caplog: pytest.LogCaptureFixture
) -> None:
    """A database whose disk is full leases cycles, and takes no intent."""
    row, clock = committed_desk.open(), Clock()
    worker, crew = Worker(Role.INITIATOR, outage=Outage(clock)), Here(0, "initiator")
    longest = FIRST_PAUSE
    with full_disk():
        for _ in range(6):
            fell_due(row)
            before = desk.database_now()
            worker._claimed(crew)
            assert left_alone(row, before) >= longest / 2
            assert left_alone(row, desk.database_now()) <= longest
            clock.now += longest
            longest = longer(longest)
    assert "DiskFull" in caplog.text
    assert Cycle.objects.get(pk=row.pk).fence == 6


def test_cycles_that_were_claimed_together_meet_one_refusal_however_late_each_is_refused(
    committed_desk: TestDesk,
) -> None:
    rows, clock = [committed_desk.open() for _ in range(3)], Clock()
    worker, crew = Worker(Role.INITIATOR, outage=Outage(clock)), Later()
    worker._claimed(crew)
    with full_disk():
        for job in crew.jobs:
            assert job is not None
            job()
            clock.now += FIRST_PAUSE
    now = desk.database_now()
    assert all(left_alone(row, now) <= FIRST_PAUSE for row in rows)


class Asleep(threading.Event):
    """Sleeps in an instant, until so many seconds were slept in all."""

    def __init__(self, stop: threading.Event) -> None:
        super().__init__()
        self._stop, self._left = stop, SLEPT_SECONDS

    def wait(self, timeout: float | None = None) -> bool:
        """Sleep, unless it is set."""
        self._left -= timeout or 0.0
        if self._left <= 0:
            self._stop.set()
        return True


@pytest.fixture
def counted() -> Iterator[None]:
    """Let the database count claims, whether they find a cycle or not."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTING)
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP FUNCTION kimp_test_count CASCADE; DROP SEQUENCE kimp_test_claims")


def claims() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM kimp_test_claims")
        return int(cursor.fetchone()[0])


@contextmanager
def due_and_locked() -> Iterator[None]:
    """Let a cycle be due, and its row be kept locked by somebody who has no lease."""
    builders.desk()
    with locked_elsewhere(Lease(cycle_id=builders.cycle().pk, owner="", fence=0)):
        yield


def test_a_due_cycle_that_somebody_keeps_locked_is_tried_four_times_a_second_and_not_fifty_times(
    counted: None,
) -> None:
    worker = Worker(Role.INITIATOR)
    worker._is_wanted = Asleep(worker.stop)
    with due_and_locked():
        worker._loop(Here(0, "initiator"))
    assert SLEPT_SECONDS <= claims() <= 6 * SLEPT_SECONDS


def test_a_notice_ends_the_nap_of_a_worker_that_has_tried_in_vain_and_it_tries_soon_again() -> None:
    worker, crew = Worker(Role.INITIATOR), Here(0, "initiator")
    with due_and_locked():
        naps = [worker._claimed(crew) for _ in range(6)]
        assert naps[0] == working.SHORTEST_NAP_SECONDS < naps[-1]
        worker._is_wanted.set()
        worker._rest(3600.0)
        assert worker._claimed(crew) == working.SHORTEST_NAP_SECONDS


def test_a_worker_that_tries_in_vain_naps_no_longer_than_until_another_cycle_falls_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(working, "IN_VAIN_SECONDS", NEVER.total_seconds())
    worker, crew = Worker(Role.INITIATOR, _in_vain=9), Here(0, "initiator")
    with due_and_locked():
        assert worker._claimed(crew) > SOON.total_seconds()
        Cycle.objects.filter(pk=builders.cycle().pk).update(wake_at=Now() + SOON)
        assert worker._claimed(crew) <= SOON.total_seconds()


def test_a_worker_whose_claim_came_back_full_claims_again_and_does_not_ask_when_the_next_is_due(
    committed_desk: TestDesk, settings: Settings
) -> None:
    """A busy role's claims look above its mark; that question would read all that lies dead below it."""
    settings.KIMP_WORKER_THREADS = 1
    committed_desk.open()
    worker, crew = Worker(Role.INITIATOR), Here(0, "initiator")
    with CaptureQueriesContext(connection) as made:
        nap = worker._claimed(crew)
    assert nap == working.SHORTEST_NAP_SECONDS
    sent = [row["sql"] for row in made.captured_queries]
    assert any("SKIP LOCKED" in sql for sql in sent)
    assert not any("AS due_in" in sql for sql in sent)


def test_a_worker_whose_threads_are_all_busy_naps_until_one_is_free(
    committed_desk: TestDesk, settings: Settings
) -> None:
    settings.KIMP_WORKER_THREADS = 1
    committed_desk.open()
    assert Worker(Role.INITIATOR)._claimed(Later()) == working.LONGEST_NAP_SECONDS
