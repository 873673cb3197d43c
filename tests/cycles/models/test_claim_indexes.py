"""The claims' queries are served by their partial indexes, also under generic plans."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles import selectors
from cycles.domain.words import CycleStatus, Role
from cycles.models import Cycle
from cycles.services import dead_letters, desk, leasing, opening, redriving
from cycles.services.redriving import Filter
from tests import builders
from tests.desk import operator

pytestmark = pytest.mark.django_db

OPEN = 20


@pytest.fixture(autouse=True)
def fresh_indexes(db: None) -> None:
    """Let no index be larger by what other tests left dead in it: the planner would take a smaller one, and sort.

    Nor do statistics that were taken within a test go with what it wrote, where it is rolled back.
    """
    with connection.cursor() as cursor:
        cursor.execute("REINDEX TABLE cycles_cycle")


def plans(sql: str) -> str:
    """Explain a statement under a generic plan, sequential scans aside (the tables are small)."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql)
        found: Any = cursor.fetchone()
    return json.dumps(found[0])


def claims(role: Role) -> list[str]:
    """Give the SELECTs of a claim that finds nothing due."""
    with CaptureQueriesContext(
        connection,
    ) as seen:
        leasing.claim(role, "tester", limit=5)
    return [q["sql"] for q in seen.captured_queries if "FOR NO KEY UPDATE" in q["sql"]]


@pytest.mark.parametrize(
    ("role", "index"),
    [(Role.INITIATOR, "cycle_due_outbound"), (Role.FINALIZER, "cycle_due_return")],
)
def test_a_claim_walks_its_partial_index(role: Role, index: str) -> None:
    builders.cycle()
    found = claims(role)[:1]
    assert found
    for sql in found:
        assert index in plans(sql)


@pytest.mark.parametrize(
    ("role", "index"),
    [(Role.INITIATOR, "cycle_due_outbound"), (Role.FINALIZER, "cycle_due_return")],
)
@pytest.mark.parametrize("is_later", [False, True])
def test_when_the_next_is_due_walks_the_same_index_alone(
    role: Role, index: str, is_later: bool
) -> None:
    builders.cycle()
    with CaptureQueriesContext(connection) as seen:
        leasing.next_due_in(role, is_later=is_later)
    (sql,) = (q["sql"] for q in seen.captured_queries)
    found = plans(sql)
    assert found.count(f'"Index Name": "{index}"') == 2
    assert found.count("Index Name") == 2
    # What lies dead among that which is due is read once.
    bounds = re.findall(r'"Index Cond": "\(wake_at (.=?) ', found)
    assert sorted(bounds) == ["<=", ">"]


@pytest.mark.parametrize("role", [Role.INITIATOR, Role.FINALIZER])
def test_the_sweep_of_retries_walks_their_own_index_alone(role: Role) -> None:
    """As statistics have it that were taken while some are open; of a table that is empty any index is as good."""
    for _ in range(OPEN):
        builders.cycle()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE cycles_cycle")
    with CaptureQueriesContext(connection) as seen:
        leasing.claim_retries(role, "tester", limit=1)
    (sql,) = (q["sql"] for q in seen.captured_queries if "SKIP LOCKED" in q["sql"])
    chooses, _, _ = sql.partition(", claimed AS (")
    found = plans(f"{chooses} SELECT * FROM due")
    assert "cycle_retry_due" in found
    assert "cycle_open" not in found
    assert "cycle_due" not in found


@pytest.mark.parametrize("role", [Role.INITIATOR, Role.FINALIZER])
def test_a_claim_names_statuses_as_literals_so_that_a_generic_plan_keeps_the_index(
    role: Role,
) -> None:
    for sql in claims(role):
        assert "'STARTED'" in sql
        assert not re.search(r"\$\d|%s", sql)


def redrive_all() -> None:
    redriving.redrive_all(redriving.look(Filter()), actor=operator(), reason="the wallet is open")


def first_page() -> None:
    list(selectors.dead_letters()[:100])


@pytest.mark.parametrize("read", [first_page, dead_letters.process_dead_letters, redrive_all])
def test_the_dead_letter_queue_is_read_by_its_index(read: Callable[[], object]) -> None:
    """Each statement that operators, the sweep and a bulk redrive choose by, as sent, beside cycles that are no dead letters."""
    builders.desk()
    builders.dead_letter()
    for _ in range(OPEN):
        builders.cycle()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE cycles_cycle")
    with CaptureQueriesContext(connection) as seen:
        read()
    reads = [q["sql"] for q in seen.captured_queries if "= 'DEAD_LETTER'" in q["sql"]]
    of_queue = [sql for sql in reads if sql.startswith("SELECT") and "ANY(" not in sql]
    assert of_queue
    for sql in of_queue:
        assert "cycle_dead_letters" in plans_with_sorts(sql), sql


def test_what_today_earned_is_read_by_the_index_of_ended_cycles() -> None:
    with CaptureQueriesContext(connection) as seen:
        opening.exposure()
    summed = [q["sql"] for q in seen.captured_queries if "ended_at" in q["sql"]]
    assert "cycle_ended" in plans(summed[0])


def prepared(sql: str, kind: str, value: str) -> str:
    """Explain a statement that was prepared with one parameter, under a generic plan."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"PREPARE claim ({kind}) AS {sql}")
        try:
            cursor.execute(f"EXPLAIN (FORMAT JSON) EXECUTE claim ({value})")
            found: Any = cursor.fetchone()
        finally:
            cursor.execute("DEALLOCATE claim")
    return json.dumps(found[0])


def test_a_prepared_claim_keeps_its_partial_index_for_any_number_of_cycles() -> None:
    sql = claims(Role.INITIATOR)[0]
    assert "cycle_due_outbound" in prepared(sql.replace("LIMIT 5", "LIMIT $1"), "bigint", "5")


def test_the_negative_control_with_the_status_as_a_parameter_a_prepared_claim_loses_it() -> None:
    sql = claims(Role.INITIATOR)[0].replace("'STARTED'", "$1")
    assert "cycle_due_outbound" not in prepared(sql, "text", "'STARTED'")


def test_a_busy_role_looks_above_its_mark_and_below_it_once_it_comes_up_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leasing, "_marks", {role: leasing._Mark() for role in leasing.DUE})
    monkeypatch.setattr(leasing, "MARK_LASTS", timedelta(hours=1))
    rows = [builders.cycle() for _ in range(2 * leasing.BUSY + 3)]
    for _ in range(leasing.BUSY):
        leasing.claim(Role.INITIATOR, "tester", limit=2)
    early = Cycle.objects.filter(pk=rows[-1].pk)
    early.update(wake_at=Now() - timedelta(hours=1))
    with CaptureQueriesContext(connection) as made:
        above = leasing.claim(Role.INITIATOR, "tester", limit=2)
    (select,) = (q["sql"] for q in made.captured_queries if "SKIP LOCKED" in q["sql"])
    assert '"wake_at" >= ' in select
    assert {lease.cycle_id for lease in above} == {row.pk for row in rows[-3:-1]}
    below = leasing.claim(Role.INITIATOR, "tester", limit=2)
    assert [lease.cycle_id for lease in below] == [rows[-1].pk]


def test_a_mark_moves_on_with_what_full_claims_above_it_take(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    marks = {role: leasing._Mark() for role in leasing.DUE}
    monkeypatch.setattr(leasing, "_marks", marks)
    monkeypatch.setattr(leasing, "MARK_LASTS", timedelta(hours=1))
    fell_due = desk.database_now() - timedelta(minutes=1)
    for number in range(leasing.BUSY + 2):
        at = fell_due + number * timedelta(seconds=1)
        Cycle.objects.filter(pk=builders.cycle().pk).update(wake_at=at)
    seen = []
    for _ in range(leasing.BUSY + 2):
        leasing.claim(Role.INITIATOR, "tester", limit=1)
        seen.append(marks[Role.INITIATOR].oldest)
    last = [
        fell_due + number * timedelta(seconds=1) - leasing.SLACK
        for number in range(leasing.BUSY + 2)
    ]
    assert seen == [None] * (leasing.BUSY - 1) + last[leasing.BUSY - 1 :]


def test_a_mark_that_has_expired_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    marks = {role: leasing._Mark(oldest=desk.database_now()) for role in leasing.DUE}
    monkeypatch.setattr(leasing, "_marks", marks)
    old = builders.cycle()
    Cycle.objects.filter(pk=old.pk).update(wake_at=Now() - timedelta(hours=1))
    builders.cycle()
    (lease,) = leasing.claim(Role.INITIATOR, "tester", limit=1)
    assert lease.cycle_id == old.pk


@pytest.mark.parametrize(
    ("looked", "lasts"),
    [(0.001, 2), (0.01, 2), (0.02, 4), (0.04, 8), (1, 10)],
)
def test_a_mark_lasts_longer_the_longer_a_look_at_everything_took_but_not_for_ever(
    looked: float, lasts: int
) -> None:
    assert leasing._lasts(timedelta(seconds=looked)) == timedelta(seconds=lasts)


def awaiting(*, hours_old: int) -> Cycle:
    """Give a cycle that waits for a way home, due for two hours."""
    row = builders.moved_to(builders.cycle(), CycleStatus.INITIAL_TRADE_COMPLETED)
    builders.moved_to(row, CycleStatus.AWAITING_REBALANCE)
    since = Now() - timedelta(hours=hours_old)
    Cycle.objects.filter(pk=row.pk).update(wake_at=Now() - timedelta(hours=2), started_at=since)
    return row


@pytest.mark.parametrize("limit", [1, 2])
def test_a_finalizer_that_stays_full_takes_waiting_cycles_oldest_first_among_the_others(
    monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr(leasing, "_marks", {role: leasing._Mark() for role in leasing.DUE})
    for name in ("MARK_LASTS", "MARK_LASTS_MOST"):
        monkeypatch.setattr(leasing, name, timedelta(0))
    waiting = [awaiting(hours_old=hours).pk for hours in (2, 3, 1)]
    busy = [builders.moved_to(builders.cycle(), CycleStatus.INITIAL_TRADE_COMPLETED)]
    busy += [builders.moved_to(builders.cycle(), CycleStatus.INITIAL_TRADE_COMPLETED)]
    taken = []
    for _ in range(7):
        leases = leasing.claim(Role.FINALIZER, "tester", limit=limit)
        taken += [lease.cycle_id for lease in leases]
        assert len(leases) == limit
        for lease in leases:
            if lease.cycle_id not in waiting:
                leasing.release(lease, wake_in=timedelta(0))
    assert [pk for pk in taken if pk in waiting] == [waiting[1], waiting[0], waiting[2]]
    assert {row.pk for row in busy} <= set(taken)


def test_a_claim_that_takes_a_waiting_cycle_first_walks_the_same_index(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = {role: leasing._Mark(full_claims=1) for role in leasing.DUE}
    monkeypatch.setattr(leasing, "_marks", full)
    (sql,) = claims(Role.FINALIZER)
    assert sql.index("waiting AS") < sql.index("due AS")
    assert "cycle_due_return" in plans_with_sorts(sql)


def plans_with_sorts(sql: str) -> str:
    """Explain a statement under a generic plan; without a scan of the table."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN (FORMAT JSON) " + sql)
        found: Any = cursor.fetchone()
    text = json.dumps(found[0])
    assert "Seq Scan" not in text
    return text
