"""The queue's broker leaves a database in trouble alone, says what it meets, and is over it once it has fetched."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import psycopg
import pytest
from django.db import OperationalError, connection
from django.db.backends.signals import connection_created
from django_q.brokers.orm import ORM

from cycles.services.shared_outage import SharedOutage
from kimp import queue_broker
from tests.kimp.log_lines import Lines, captured

pytestmark = pytest.mark.django_db(transaction=True)

HELD_SECONDS = 2.0
MOST_TRIED = 5  # with pauses of 0.5 and 1 second; thousands without


@pytest.fixture(autouse=True)
def outage(monkeypatch: pytest.MonkeyPatch) -> SharedOutage:
    """Let nothing of other tests be known."""
    own = SharedOutage()
    monkeypatch.setattr(queue_broker, "OUTAGE", own)
    return own


@pytest.fixture
def lines() -> Iterator[Lines]:
    with captured(logging.INFO) as told:
        yield told


def _error(cause: type[psycopg.Error]) -> OperationalError:
    error = OperationalError("the server said so")
    error.__cause__ = cause("the server said so")
    return error


def _failing(cause: type[psycopg.Error]) -> Callable[[Any], NoReturn]:
    def fail(_broker: Any) -> NoReturn:
        raise _error(cause)

    return fail


def _fetch_for(seconds: float) -> None:
    """Ask as django-q2 does: again at once."""
    broker, ends_at = queue_broker.patient("kimp"), time.monotonic() + seconds
    while time.monotonic() < ends_at:
        broker.dequeue()


@pytest.mark.parametrize(
    "cause",
    [psycopg.OperationalError, psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled],
)
def test_a_database_that_fails_again_soon_after_an_outage_is_left_alone_though_nothing_is_said(
    outage: SharedOutage, monkeypatch: pytest.MonkeyPatch, lines: Lines, cause: type[psycopg.Error]
) -> None:
    tried = []

    def fail(_broker: Any) -> NoReturn:
        tried.append(cause)
        raise _error(cause)

    monkeypatch.setattr(ORM, "dequeue", fail)
    outage._ended_at.value = time.monotonic()
    _fetch_for(HELD_SECONDS)
    assert 1 <= len(tried) <= MOST_TRIED
    assert not lines.named("database.unreachable")


def test_an_outage_is_over_once_something_was_fetched_and_not_because_a_session_is_let_in(
    monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    with monkeypatch.context() as full:
        full.setattr(ORM, "dequeue", _failing(psycopg.errors.DiskFull))
        _fetch_for(HELD_SECONDS)
    assert [line["event"] for line in lines.parsed] == ["database.unreachable"]
    _fetch_for(HELD_SECONDS)
    assert [line["event"] for line in lines.parsed][1:] == ["database.answers_again"]


def test_what_succeeds_while_others_fail_ends_no_outage(outage: SharedOutage, lines: Lines) -> None:
    known = outage.failures
    outage.tell(_error(psycopg.errors.DiskFull))
    outage.end(known)
    assert (outage.is_told, lines.named("database.answers_again")) == (True, [])


def test_the_session_that_is_let_in_after_an_outage_fetches(outage: SharedOutage) -> None:
    """Where connections are few, another might not be had."""
    broker = queue_broker.patient("kimp")
    made: list[object] = []

    def count(sender: object, **_: object) -> None:
        made.append(sender)

    outage.tell(_error(psycopg.OperationalError))
    connection_created.connect(count)
    try:
        broker.dequeue()
    finally:
        connection_created.disconnect(count)
    assert (len(made), outage.is_told) == (1, False)
    assert connection.connection is not None


def test_statements_of_the_queue_that_take_too_long_are_one_outage_until_something_was_fetched(
    monkeypatch: pytest.MonkeyPatch, lines: Lines
) -> None:
    """It has no long ones: its server is slow."""
    broker = queue_broker.patient("kimp")
    with monkeypatch.context() as slow:
        for name in ("dequeue", "delete"):
            slow.setattr(ORM, name, lambda *_: _failing(psycopg.errors.QueryCanceled)(None))
        broker.acknowledge("1")
        _fetch_for(HELD_SECONDS)
    (told,) = lines.parsed
    assert (told["event"], told["error"]) == ("database.unreachable", "QueryCanceled")
    _fetch_for(HELD_SECONDS)
    assert [line["event"] for line in lines.parsed][1:] == ["database.answers_again"]


def _record(error: BaseException) -> logging.LogRecord:
    said = "Could not save task result"
    exc_info = (type(error), error, None)
    return logging.LogRecord("django-q", logging.ERROR, __file__, 1, said, None, exc_info)


def test_what_django_q_says_of_its_own_statement_that_takes_too_long_is_said_as_an_outage(
    lines: Lines,
) -> None:
    assert not queue_broker.is_news(_record(_error(psycopg.errors.QueryCanceled)))
    assert [line["event"] for line in lines.parsed] == ["database.unreachable"]


def test_what_django_q_says_of_an_error_that_is_no_outage_stays_in_the_log(lines: Lines) -> None:
    assert queue_broker.is_news(_record(ValueError("no result")))
    assert not lines.parsed


def test_what_django_q_says_of_a_lock_that_somebody_kept_is_said_in_the_line_of_that(
    lines: Lines,
) -> None:
    assert not queue_broker.is_news(_record(_error(psycopg.errors.DeadlockDetected)))
    (busy,) = lines.named("database.busy")
    assert (busy["error"], busy["said"]) == ("DeadlockDetected", "Could not save task result")
