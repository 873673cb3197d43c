"""Names are given from memory, whoever reads them anew: nobody who has a connection waits for who wants one."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from django.db import connections

from exchanges import naming
from tests import builders
from tests.kimp.processes import until

pytestmark = pytest.mark.django_db(transaction=True)

T = TypeVar("T")
AT_ONCE = 1.0  # seconds; the pool gives up after five


class Pool:
    """The only connection of a process, for which its threads wait."""

    def __init__(self) -> None:
        self._like: Any = connections["default"].copy("named")
        settings = copy.deepcopy(self._like.settings_dict)
        settings["CONN_MAX_AGE"] = 0
        settings["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 1, "timeout": 5}
        self._like.settings_dict = settings

    def with_it(self, act: Callable[[Any], T]) -> T:
        """Act on a thread that takes its connection from the pool, and gives it back."""
        wrapper: Any = self._like.copy("named")
        connections["default"] = wrapper
        try:
            return act(wrapper)
        finally:
            wrapper.close()

    def waiting(self) -> int:
        return int(self._like.pool.get_stats().get("requests_waiting", 0))

    def close(self) -> None:
        self._like.close_pool()


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(naming, "_reading", naming._Reading())
    builders.proven("upbit", "XRP", "XRP", asset="XRP", network="XRP")
    assert naming.names("upbit").is_known


@pytest.mark.parametrize("age", [0, naming.FRESH_SECONDS + 1])
def test_who_has_the_only_connection_gets_a_name_while_another_waits_to_read_them(
    pool: Pool, age: int
) -> None:
    naming._reading = naming._Reading(naming._reading.names, began_at=time.monotonic() - age)

    def ask(wrapper: Any) -> float:
        with wrapper.cursor() as cursor:
            cursor.execute("SELECT 1")
        task = threads.submit(pool.with_it, lambda _: naming.refresh())
        until(lambda: pool.waiting() == 1)
        began = time.monotonic()
        assert naming.names("upbit").is_known
        took = time.monotonic() - began
        wrapper.close()
        task.result(10)
        return took

    with ThreadPoolExecutor(2) as threads:
        assert threads.submit(pool.with_it, ask).result(30) < AT_ONCE


def test_what_was_begun_to_be_read_before_all_was_forgotten_is_read_anew(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    read = naming.read

    def forgotten_meanwhile() -> Any:
        found = read()
        naming.forget()
        return found

    with monkeypatch.context() as patched:
        patched.setattr(naming, "read", forgotten_meanwhile)
        naming.refresh()
    with django_assert_num_queries(1):
        naming.names("upbit")
