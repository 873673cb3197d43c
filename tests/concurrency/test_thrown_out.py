"""A process that sleeps within a transaction is thrown out by the server: it does its work again, whole."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from django.db import InternalError, connection, transaction
from django.db.models.functions import Now

from cycles.models import Alert
from cycles.services.locking import in_transaction
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


def test_without_that_it_ends_in_an_error_nobody_foresaw_and_nothing_is_written(
    sleepy: Callable[[], str],
) -> None:
    with pytest.raises(InternalError, match="idle-in-transaction"), transaction.atomic():
        sleepy()
    connection.close()
    assert keys() == []


def _raise(key: str) -> None:
    Alert.objects.create(key=key, severity=Alert.Severity.INFO, title=key, due_at=Now())
