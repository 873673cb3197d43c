"""Two who redrive the same dead letters at once: each goes on once."""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Count

from cycles.domain.words import CycleStatus
from cycles.models import Cycle, Intervention, Transition
from cycles.services import redriving
from cycles.services.locking import lock_cycle
from cycles.services.redriving import Filter, Redriven
from tests import builders
from tests.concurrency.meeting import SECONDS, Meeting, root, together, told
from tests.concurrency.unguarded import database_without, table_without
from tests.desk import eventually

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]


def of_two(name: str) -> Redriven | None:
    """Redrive all; None where the database refused."""
    seen = redriving.look(Filter())
    try:
        return redriving.redrive_all(seen, actor=root(name), reason="up again")
    except IntegrityError:
        return None


def begin_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let both have chosen their cycles before either locks the first."""
    meeting, batches = Meeting(), redriving._batches

    def met(ids: list[Any]) -> Any:
        meeting.wait()
        return batches(ids)

    monkeypatch.setattr(redriving, "_batches", met)


def test_each_goes_on_once_whoever_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redriving, "BATCH", 1)
    begin_together(monkeypatch)
    for _ in range(6):
        builders.dead_letter()
    got = together(functools.partial(of_two, "alice"), functools.partial(of_two, "bob"))
    assert sum(one.count for one in got if isinstance(one, Redriven)) == 6
    assert set(Cycle.objects.values_list("status", flat=True)) == {CycleStatus.RETRY_PENDING}
    for rows in (Intervention.objects, Transition.objects.filter(event="redrive")):
        assert set(rows.values("cycle").annotate(n=Count("pk")).values_list("n", flat=True)) == {1}


def test_what_somebody_holds_at_that_moment_is_left_and_not_waited_for() -> None:
    row, free = builders.dead_letter(), builders.dead_letter()
    with ThreadPoolExecutor(1) as pool, transaction.atomic():
        lock_cycle(row.pk)
        redriven = pool.submit(told, functools.partial(of_two, "alice")).result(SECONDS)
    assert redriven == Redriven(count=1, left=1)
    assert Intervention.objects.get().cycle == free


def test_the_negative_control_without_lock_and_version_both_take_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of what refuses the second by itself is out: the lock, the version, one transition a version."""
    monkeypatch.setattr(redriving, "FREE_ROWS_ONLY", "")
    both = (functools.partial(of_two, name) for name in ("alice", "bob"))

    with (
        database_without("kimp_redrive_v1", " AND c.version = seen.version"),
        table_without("cycles_transition", "transition_version_once"),
    ):
        builders.dead_letter()
        with ThreadPoolExecutor(2) as pool:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute("LOCK TABLE cycles_intervention IN SHARE MODE")
                tasks = [pool.submit(told, one) for one in both]
                eventually(lambda: writers_waiting() == 2, seconds=SECONDS)
            got = [task.result(timeout=SECONDS) for task in tasks]
        assert got == [Redriven(count=1, left=0)] * 2
        assert Intervention.objects.count() == Transition.objects.filter(event="redrive").count()
        assert Intervention.objects.values("user").distinct().count() == 2


def writers_waiting() -> int:
    """Count who waits to write an audit row: what they move is chosen by then."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE relation = 'cycles_intervention'::regclass AND NOT granted "
            "AND mode = 'RowExclusiveLock'"
        )
        row: Any = cursor.fetchone()
    return int(row[0])
