"""A worker's new connections have read and planned what a step needs before a cycle asks them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections, transaction

from cycles.services.locking import own_mode
from kimp.environment import load
from kimp.settings_database import databases
from tests.kimp.processes import until

pytestmark = pytest.mark.django_db(transaction=True)

# Of the statements within the functions one each, of a settlement the first and the last.
PLANNED = """
SELECT count(*) FROM pg_backend_memory_contexts
 WHERE name = 'CachedPlan' AND (ident LIKE 'SELECT EXISTS (SELECT 1 FROM cycles_exchangecall k%'
    OR ident LIKE 'WITH wanted AS%(intents)%' OR ident LIKE 'INSERT INTO cycles_fill%'
    OR ident LIKE 'WITH touched AS (%retry_count%')"""
Worker = Callable[..., Any]


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """Give a worker's connection, out of its pool."""
    made: list[Any] = []

    def begin(**pool: object) -> Any:
        env = load(tmp_path, {"KIMP_ENVIRONMENT": "test", "KIMP_ROLE": "initiator"})
        wrapper: Any = connections["default"].copy(f"warmed-{len(made)}")
        wrapper.settings_dict = copy.deepcopy(wrapper.settings_dict) | {"CONN_MAX_AGE": 0}
        options = databases(env, tmp_path)["default"]["OPTIONS"]["pool"]
        wrapper.settings_dict["OPTIONS"]["pool"] = options | pool
        made.append(wrapper)
        return wrapper

    yield begin
    for wrapper in made:
        wrapper.close()
        wrapper.close_pool()


def asked(wrapper: Any, statement: str) -> Any:
    with wrapper.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0]


def test_a_new_connection_has_run_a_steps_functions(worker: Worker) -> None:
    assert asked(worker(), PLANNED) == 4
    assert asked(worker(warmed_by=None), PLANNED) == 0


def test_warming_waits_for_nobody_who_is_about_to_halt_the_desk(worker: Worker) -> None:
    with transaction.atomic():
        own_mode()
        assert asked(worker(), PLANNED) == 4


def test_a_table_that_somebody_keeps_whole_keeps_no_connection_waiting(worker: Worker) -> None:
    with transaction.atomic():
        connection.cursor().execute("LOCK TABLE cycles_fill IN SHARE MODE")
        wrapper = worker()
        # Any other statement would wait for so long, and a pool for five seconds.
        wrapper.settings_dict["OPTIONS"]["options"] += " -c lock_timeout=60000"
        assert asked(wrapper, "SELECT current_setting('lock_timeout')") == "1min"


def test_a_database_that_has_no_desk_yet_still_gives_connections(worker: Worker) -> None:
    wrapper = worker()
    wrapper.settings_dict["NAME"] = "postgres"
    assert asked(wrapper, "SELECT current_database()") == "postgres"
    assert asked(wrapper, PLANNED) == 0


def test_a_worker_has_some_connections_ready_before_it_asks_for_them(worker: Worker) -> None:
    wrapper = worker(max_size=16)
    asked(wrapper, "SELECT 1")
    until(lambda: wrapper.pool.get_stats()["pool_available"] >= 2)


def test_a_small_pool_opens_no_more_than_it_may_have(tmp_path: Path) -> None:
    told = {"KIMP_ENVIRONMENT": "test", "KIMP_ROLE": "finalizer", "KIMP_WORKER_CONNECTIONS": "2"}
    pool = databases(load(tmp_path, told), tmp_path)["default"]["OPTIONS"]["pool"]
    assert (pool["min_size"], pool["max_size"]) == (2, 2)
