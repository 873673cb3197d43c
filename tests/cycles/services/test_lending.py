"""A worker's connections: given back for a call where others could lack one, kept where nobody could."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError, connections

from cycles.services import outage
from tests.kimp.processes import backend_of, until

pytestmark = pytest.mark.django_db(transaction=True)

MOST = 4


class Threads:
    """Stand-ins for a worker's threads: each with a connection of its own out of one pool."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, most: int) -> None:
        self._monkeypatch, self._most = monkeypatch, most
        self.all: list[Any] = []

    def begin(self) -> Any:
        """Let one more thread ask the database something."""
        wrapper: Any = connections["default"].copy("lent")
        wrapper.settings_dict = copy.deepcopy(wrapper.settings_dict)
        wrapper.settings_dict["CONN_MAX_AGE"] = 0
        wrapper.settings_dict["OPTIONS"]["pool"] = {
            "min_size": self._most,
            "max_size": self._most,
            "timeout": 5,
        }
        self.all.append(wrapper)
        with wrapper.cursor() as cursor:
            cursor.execute("SELECT 1")
        until(self._are_all_made)
        return wrapper

    def _are_all_made(self) -> bool:
        """Say whether no connection is under way: it is neither free nor somebody's."""
        told = self.all[0].pool.get_stats()
        held = sum(wrapper.connection is not None for wrapper in self.all)
        return bool(told["pool_size"] - told["pool_available"] == held)

    def lends(self, wrapper: Any) -> bool:
        """Say whether a thread that begins a call gives its connection back."""
        self._monkeypatch.setattr(outage, "connection", wrapper)
        outage.lend_connection()
        return wrapper.connection is None

    def tell_outage(self, wrapper: Any) -> None:
        """Let a thread hear that the database is away."""
        self._monkeypatch.setattr(outage, "connection", wrapper)
        outage.Outage().tell(OperationalError())


@pytest.fixture
def most() -> int:
    """Give how many connections there are."""
    return MOST


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch, most: int) -> Iterator[Threads]:
    made = Threads(monkeypatch, most)
    yield made
    for wrapper in made.all:
        wrapper.close()
    made.all[0].close_pool()


def test_a_connection_is_kept_while_half_of_the_pool_is_free(threads: Threads) -> None:
    first, second = threads.begin(), threads.begin()
    assert not threads.lends(first)
    assert not threads.lends(second)


def test_a_connection_is_given_back_for_a_call_when_less_is_free(threads: Threads) -> None:
    first, second, third = threads.begin(), threads.begin(), threads.begin()
    assert threads.lends(third)
    assert not threads.lends(second)  # two of four are free again
    assert not threads.lends(first)


def test_a_transaction_under_way_keeps_its_connection(threads: Threads) -> None:
    crew = [threads.begin() for _ in range(MOST)]
    crew[0].in_atomic_block = True
    assert not threads.lends(crew[0])
    crew[0].in_atomic_block = False
    assert threads.lends(crew[0])


def test_what_lay_in_the_pool_is_not_used_after_an_outage(threads: Threads) -> None:
    crew = [threads.begin() for _ in range(MOST)]
    before = {backend_of(wrapper) for wrapper in crew}
    for wrapper in crew[1:]:
        wrapper.close()
    threads.tell_outage(crew[0])
    assert not before & {backend_of(wrapper) for wrapper in crew}


@pytest.mark.parametrize("most", [1])
def test_the_only_connection_is_kept_by_nobody(threads: Threads) -> None:
    assert threads.lends(threads.begin())
