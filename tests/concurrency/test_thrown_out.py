"""A process that sleeps within a transaction is thrown out by the server: it does its work again, whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from django.db import OperationalError, connection, transaction
from django.db.models.functions import Now

from cycles.domain.words import Role
from cycles.models import Alert
from cycles.services.locking import in_transaction
from cycles.services.working import Worker
from tests import builders

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sleepy() -> Iterator[Callable[[], str]]:
    """Give work that sleeps in its middle, the first time, for longer than the server allows."""
    naps = iter([0.5])
    builders.desk()
    with connection.cursor() as cursor:
        cursor.execute("SET idle_in_transaction_session_timeout = '100ms'")

    def work() -> str:
        _raise("before")
        time.sleep(next(naps, 0))
        _raise("after")
        return "done"

    yield work
    connection.close()


def keys() -> list[str]:
    return sorted(Alert.objects.values_list("key", flat=True))


def test_what_slept_too_long_in_a_transaction_is_done_again(sleepy: Callable[[], str]) -> None:
    assert in_transaction(sleepy) == "done"
    assert keys() == ["after", "before"]


def test_without_that_the_database_is_as_good_as_away_and_nothing_is_written(
    sleepy: Callable[[], str],
) -> None:
    with pytest.raises(OperationalError, match="idle-in-transaction"), transaction.atomic():
        sleepy()
    connection.close()
    assert keys() == []


def test_a_worker_whose_duty_slept_in_a_transaction_goes_on_with_it() -> None:
    builders.desk()
    naps = iter([0.5])

    def duty() -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '100ms'")
            nap = next(naps, None)
            time.sleep(nap or 0)
            cursor.execute("SELECT 1")
        worker.stop.set()  # it came through

    worker = Worker(Role.INITIATOR, duty=duty)
    worker.run()  # raises what ended its duty
    assert next(naps, None) is None


def _raise(key: str) -> None:
    Alert.objects.create(key=key, severity=Alert.Severity.INFO, title=key, due_at=Now())
