"""A worker's connections: given back for a call where others could lack one, kept where nobody could."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, NoReturn

import psycopg
import pytest
from django.db import OperationalError, connections

from cycles.domain.words import WatchKind
from cycles.errors import DatabaseBusyError
from cycles.selectors.awaited import Awaited
from cycles.services import looking, outage, venue_watcher
from cycles.services.crew import Crew
from cycles.services.venue_watcher import VenueWatcher
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


def _busy(*_: object, **__: object) -> NoReturn:
    raise DatabaseBusyError("busy")


def _locked(*_: object, **__: object) -> NoReturn:
    raise OperationalError("locked") from psycopg.errors.LockNotAvailable()


@pytest.mark.parametrize("refuse", [_busy, _locked])
def test_a_watcher_whom_the_database_refused_keeps_no_connection_while_it_rests(
    threads: Threads, monkeypatch: pytest.MonkeyPatch, refuse: Callable[..., NoReturn]
) -> None:
    wrapper, kept = threads.begin(), list[bool]()
    monkeypatch.setattr(outage, "connection", wrapper)

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            kept.append(wrapper.connection is not None)
            return True

    watcher, crew = VenueWatcher(stop=Stop()), Crew(1, "watcher")
    monkeypatch.setattr(venue_watcher, "awaited", refuse)
    watcher._take_turn(crew)
    crew.end(patience_seconds=5)
    wrapper.ensure_connection()
    monkeypatch.setattr(looking, "begin", refuse)
    what = Awaited(
        venue="upbit", kind=WatchKind.DEPOSITS, since=datetime.now().astimezone(), is_urgent=False,
        assets=frozenset(),
    )  # fmt: skip
    watcher._look("upbit", [(what, timedelta(0))])
    assert kept == [False, False]
