"""What ends an outage is an answer to what was asked after the latest trouble, and nothing else."""

from __future__ import annotations

import threading

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from cycles.domain.words import Role
from cycles.services.crew import Crew
from cycles.services.moving import Lease
from cycles.services.outage import Outage
from cycles.services.working import Worker
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_answer_to_what_was_asked_before_the_trouble_does_not_end_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A thread that stood still between the answer and its word of it."""
    outage = Outage()
    known = outage.failures
    outage.tell(OperationalError())
    outage.end(known)
    assert "database.answers_again" not in caplog.text
    outage.end(outage.failures)
    assert "database.answers_again" in caplog.text


def test_an_answer_to_what_was_asked_before_others_had_trouble_again_does_not_end_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    outage = Outage()
    outage.tell(OperationalError())
    known = outage.failures
    outage.tell(OperationalError())
    outage.end(known)
    assert "database.answers_again" not in caplog.text


def test_a_worker_whose_threads_are_all_taken_asks_nothing_and_does_not_say_that_it_was_answered(
    caplog: pytest.LogCaptureFixture, settings: Settings
) -> None:
    settings.KIMP_WORKER_THREADS = 1
    worker, crew = Worker(Role.INITIATOR), Crew(0, "initiator")
    worker._held.take(Lease(cycle_id=builders.cycle().pk, owner=worker.owner, fence=1))
    worker.outage.tell(OperationalError())
    worker._claimed(crew)
    assert "database.answers_again" not in caplog.text


def test_a_worker_in_trouble_believes_only_a_session_that_began_since() -> None:
    """One that is older may write where a new one may not: settings hold for sessions that begin after them."""
    builders.desk()
    worker, crew = Worker(Role.INITIATOR), Crew(0, "initiator")
    worker._claimed(crew)
    before = _session()
    worker._claimed(crew)
    assert _session() == before
    telling = threading.Thread(target=worker.outage.tell, args=[OperationalError()])
    telling.start()
    telling.join()
    worker._claimed(crew)
    assert _session() != before


def _session() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])
