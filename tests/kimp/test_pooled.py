"""Pooled connections: looked at before each use, asked only when there is something to hear."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection
from psycopg_pool import ConnectionPool, PoolTimeout

from kimp.database.pooled import Turns
from tests.kimp.processes import backend_of, until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pool() -> Iterator[ConnectionPool[psycopg.Connection[Any]]]:
    facts = {**connection.get_connection_params(), "autocommit": True}
    facts.pop("cursor_factory", None)
    facts.pop("context", None)
    with Turns(kwargs=facts, min_size=1, max_size=1, timeout=10) as found:
        yield found


def pid_of(pool: ConnectionPool[psycopg.Connection[Any]]) -> int:
    with pool.connection() as line:
        return int(line.info.backend_pid)


def ask(statement: str, pid: int) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, [pid])
        row = cursor.fetchone()
    return row and row[0]


def test_a_connection_that_the_server_has_hung_up_on_is_replaced_before_it_is_used(
    pool: ConnectionPool[psycopg.Connection[Any]],
) -> None:
    pid = pid_of(pool)
    ask("SELECT pg_terminate_backend(%s)", pid)
    until(lambda: ask("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid) == 0)
    with pool.connection() as line:
        assert line.execute("SELECT 1").fetchone() == (1,)
        assert line.info.backend_pid != pid


def test_a_connection_that_is_alive_is_given_out_without_a_word_to_the_server(
    pool: ConnectionPool[psycopg.Connection[Any]],
) -> None:
    last_heard = "SELECT state_change FROM pg_stat_activity WHERE pid = %s"
    pid = pid_of(pool)
    before = ask(last_heard, pid)
    assert pid_of(pool) == pid
    assert ask(last_heard, pid) == before
    with pool.connection() as line:  # what is said, is seen
        line.execute("SELECT 1")
    assert ask(last_heard, pid) > before


@pytest.fixture
def one(request: pytest.FixtureRequest) -> Iterator[Turns]:
    """Give a worker's pool of one connection, for which a thread waits so many seconds."""
    facts = {**connection.get_connection_params(), "autocommit": True}
    facts.pop("cursor_factory", None)
    facts.pop("context", None)
    with Turns(kwargs=facts, min_size=1, max_size=1, timeout=request.param) as found:
        yield found


@pytest.mark.parametrize("one", [3], indirect=True)
def test_who_waits_behind_many_gets_its_turn_while_those_get_theirs(one: Turns) -> None:
    def use() -> None:
        with one.connection():
            time.sleep(1.1)

    with ThreadPoolExecutor(4) as threads:  # the last waits for longer than the time-out
        for each in [threads.submit(use) for _ in range(4)]:
            each.result()


@pytest.mark.parametrize("one", [0.2], indirect=True)
def test_nobody_is_passed_over_by_those_who_came_later(one: Turns) -> None:
    turns = dict.fromkeys(range(8), 0)
    enough = 5 * len(turns)

    def use(thread: int) -> None:
        while sum(turns.values()) < enough:
            with one.connection():
                time.sleep(0.1)  # the line is longer than the time-out
                turns[thread] += 1

    with ThreadPoolExecutor(len(turns)) as threads:
        for each in [threads.submit(use, thread) for thread in turns]:
            each.result()
    assert max(turns.values()) - min(turns.values()) <= 1, turns


@pytest.mark.parametrize("one", [1], indirect=True)
def test_all_who_stand_in_line_are_told_at_once_when_nobody_gets_a_connection(one: Turns) -> None:
    with ThreadPoolExecutor(8) as threads, one.connection():
        told = [threads.submit(one.getconn) for _ in range(8)]
        until(lambda: all(each.done() for each in told), seconds=4)  # one by one they would take 6
        assert {type(each.exception()) for each in told} == {PoolTimeout}


@pytest.mark.parametrize("one", [0.2], indirect=True)
def test_who_waits_while_nobody_gets_a_connection_is_told(one: Turns) -> None:
    with one.connection(), ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(one.getconn)
        with pytest.raises(PoolTimeout):
            waiting.result()


def test_a_session_that_takes_no_writes_is_hung_up_on_as_one_that_is_away() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET default_transaction_read_only = on")
        with pytest.raises(OperationalError, match="read-only"):
            cursor.execute("CREATE TABLE cycles_never (id int)")
    connection.close_if_unusable_or_obsolete()
    with connection.cursor() as cursor:
        cursor.execute("SHOW transaction_read_only")
        assert cursor.fetchone() == ("off",)


@pytest.fixture
def kept() -> Iterator[Any]:
    """Give a connection that its thread keeps."""
    wrapper: Any = connection.copy("kept")
    yield wrapper
    wrapper.close()


def test_a_connection_that_was_kept_is_dropped_once_the_server_has_hung_up(kept: Any) -> None:
    pid = backend_of(kept)
    ask("SELECT pg_terminate_backend(%s)", pid)
    until(lambda: ask("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", pid) == 0)
    kept.close_if_hung_up()
    assert backend_of(kept) != pid


def test_a_connection_that_was_kept_and_is_alive_is_used_on(kept: Any) -> None:
    pid = backend_of(kept)
    kept.close_if_hung_up()
    assert backend_of(kept) == pid
