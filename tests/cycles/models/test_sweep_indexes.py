"""What sweeps and claims choose by is served by their own indexes, in a session of the cluster's too, whatever waits besides."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from cycles.domain.words import Role
from cycles.services import leasing, sweeping
from tests import builders
from tests.benchmarks import batches
from tests.benchmarks.explaining import as_a_worker, as_the_cluster, undone
from tests.benchmarks.growth import INDEXES, KEY, copy_cycles, generic, retry_of

pytestmark = pytest.mark.django_db

MANY = 5_000
A_FEW_PAGES = 6
SHARES = {"of both roles": (MANY, MANY), "all of one role": (2 * MANY, 0)}
SESSIONS = (as_the_cluster, as_a_worker)


def claims(sweep: Callable[[], int]) -> list[str]:
    """Give the claims of a sweep that finds nothing, one of each role."""
    with CaptureQueriesContext(connection) as seen:
        assert sweep() == 0
    found = [q["sql"] for q in seen.captured_queries if "SKIP LOCKED" in q["sql"]]
    assert len(found) == 2
    return found


def analyzed() -> None:
    """Let no index be larger by what other tests left dead in it, and statistics be of what there is."""
    with connection.cursor() as cursor:
        cursor.execute("REINDEX TABLE cycles_cycle")
        cursor.execute("ANALYZE cycles_cycle")


@pytest.fixture(params=SHARES)
def template(request: pytest.FixtureRequest) -> str:
    """Plant what a bulk redrive leaves for hours: many retries of the future; besides, as many cycles that are due."""
    template = str(builders.cycle().pk)
    outbound, homeward = SHARES[request.param]
    copy_cycles(template, outbound, "RETRY_PENDING", "1 day", retry_of("STARTED"))
    copy_cycles(template, homeward, "RETRY_PENDING", "1 day", retry_of("REBALANCING_IN_PROGRESS"))
    copy_cycles(template, MANY, "STARTED", "-1 minute")
    analyzed()
    return template


@pytest.mark.parametrize("session", SESSIONS)
def test_the_sweep_of_retries_walks_their_own_index_alone_among_many_of_the_future(
    template: str, session: Callable[[], AbstractContextManager[None]]
) -> None:
    found = claims(sweeping.sweep_retries)
    for status in ("STARTED", "REBALANCING_IN_PROGRESS"):
        copy_cycles(template, 1, "RETRY_PENDING", "-1 minute", retry_of(status))
    analyzed()
    with session():
        plans = [plan for sql in found for plan in (undone(sql), generic(sql))]
    for plan in plans:
        assert plan.indexes - {KEY} == {"cycle_retry_due"}
        assert not plan.scans
        assert plan.parts["due"] <= A_FEW_PAGES
        assert plan.rows == 1


@pytest.mark.parametrize("session", SESSIONS)
def test_the_sweep_of_expired_leases_walks_its_roles_index_alone_among_many_of_the_future(
    template: str, session: Callable[[], AbstractContextManager[None]]
) -> None:
    found = claims(sweeping.sweep_expired_leases)
    with session():
        plans = [[undone(sql), generic(sql)] for sql in found]
    for index, of_role in zip(INDEXES.values(), plans, strict=True):
        for plan in of_role:
            assert plan.indexes - {KEY} == {index}
            assert not plan.scans


@pytest.mark.usefixtures("template")
@pytest.mark.parametrize("role", INDEXES)
@pytest.mark.parametrize("session", SESSIONS)
def test_a_claim_goes_by_its_roles_index_and_no_scan_also_where_a_pooler_has_dropped_the_settings(
    monkeypatch: pytest.MonkeyPatch,
    role: Role,
    session: Callable[[], AbstractContextManager[None]],
) -> None:
    monkeypatch.setattr(leasing, "_marks", {role: leasing._Mark() for role in leasing.DUE})
    with CaptureQueriesContext(connection) as seen:
        leasing.claim(role, "tester", limit=4)
    (sql,) = (q["sql"] for q in seen.captured_queries if "SKIP LOCKED" in q["sql"])
    with session():
        plan = undone(sql)
    assert INDEXES[role] in plan.indexes
    assert not plan.scans


@pytest.fixture
def many_ended() -> None:
    """Plant dead letters that own coins and have an open call, beside ended cycles whose accounts are empty."""
    builders.desk()
    batches.begin()
    copy_cycles(str(builders.cycle().pk), 2 * MANY, "COMPLETED", None)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO cycles_account (venue, asset, owner, cycle_id, balance) "
            "SELECT venue, asset, 'CYCLE', c.id, 0 FROM cycles_cycle c, "
            "(VALUES ('binance', 'USDT'), ('binance', 'XRP'), ('upbit', 'XRP'), ('upbit', 'KRW')) n(venue, asset) "
            "WHERE status = 'COMPLETED'"
        )
        cursor.execute("ANALYZE cycles_account")
    analyzed()


@pytest.mark.usefixtures("many_ended")
def test_dead_letters_and_open_calls_are_chosen_without_reading_a_large_table_whole() -> None:
    assert {"cycles_cycle", "cycles_account"} <= batches.large_tables()
    batches.pages()
