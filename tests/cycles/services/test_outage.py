"""What ends an outage is an answer to what was asked after the latest trouble, and nothing else."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import timedelta

import pytest
from django.db import OperationalError, connection
from pytest_django import Settings

from cycles.domain.words import Role
from cycles.services.crew import Crew
from cycles.services.moving import Lease
from cycles.services.outage import FIRST_PAUSE, LONGEST_PAUSE, Outage
from cycles.services.working import Worker
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)

SOON = timedelta(milliseconds=10)


@dataclass
class Clock:
    """A clock that a test moves."""

    now: timedelta = timedelta(0)

    def __call__(self) -> timedelta:
        return self.now


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


def refused(outage: Outage, clock: Clock, *, pauses: int) -> timedelta:
    """Let what was claimed after each pause be refused at once; gives the last pause."""
    pause = timedelta(0)
    for _ in range(pauses):
        clock.now += max(pause, SOON)
        pause = outage.refusal_pause(claimed_at=clock())
        clock.now += SOON
    return pause


@pytest.mark.parametrize("apart", [0.01, 0.3, 1.0, 3.0])
def test_threads_that_meet_one_outage_one_after_another_leave_their_cycles_alone_for_the_first_pause(
    apart: float,
) -> None:
    """What they drive was claimed before the first of them met it: the database has answered to nobody since."""
    clock = Clock()
    outage, claimed_at = Outage(clock), clock()
    for _ in range(32):
        clock.now += timedelta(seconds=apart)
        assert FIRST_PAUSE / 2 <= outage.refusal_pause(claimed_at) <= FIRST_PAUSE


def test_what_is_claimed_and_refused_again_and_again_is_left_alone_for_longer_up_to_a_bound() -> (
    None
):
    clock = Clock()
    outage = Outage(clock)
    pauses = [refused(outage, clock, pauses=1)]
    longest = FIRST_PAUSE
    for _ in range(8):
        clock.now += longest
        pauses.append(refused(outage, clock, pauses=1))
        longest = min(longest * 2, LONGEST_PAUSE)
        assert longest / 2 <= pauses[-1] <= longest
    assert pauses[0] <= FIRST_PAUSE
    assert longest == LONGEST_PAUSE == timedelta(seconds=10)


def test_what_was_claimed_before_the_last_refusal_keeps_its_pause() -> None:
    clock = Clock()
    outage = Outage(clock)
    refused(outage, clock, pauses=8)
    claimed_at = clock()
    refused(outage, clock, pauses=1)
    clock.now += LONGEST_PAUSE / 4
    assert LONGEST_PAUSE / 2 <= outage.refusal_pause(claimed_at) <= LONGEST_PAUSE


def test_after_four_pauses_without_a_refusal_the_next_one_is_another() -> None:
    clock = Clock()
    outage = Outage(clock)
    refused(outage, clock, pauses=8)
    clock.now += 4 * LONGEST_PAUSE + SOON
    assert outage.refusal_pause(claimed_at=clock()) <= FIRST_PAUSE


def test_what_is_refused_within_half_of_the_pause_meets_the_same_refusal_whenever_it_was_claimed() -> (
    None
):
    clock = Clock()
    outage = Outage(clock)
    for _ in range(10):
        clock.now += SOON
        assert outage.refusal_pause(claimed_at=clock()) <= FIRST_PAUSE
        clock.now += SOON
