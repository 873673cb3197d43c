"""The schedule rows match the code, and are due in time whatever a host's clock says; rows of others are left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ, Schedule
from django_q.scheduler import scheduler

from cycles.domain.jobs import SCHEDULES
from kimp.schedules import sync

pytestmark = pytest.mark.django_db
NAMES = sorted(one.name for one in SCHEDULES)


@contextmanager
def guarded(*, is_guarded: bool) -> Iterator[None]:
    """Let the database's guard be in force, or not."""
    switch = "ALTER TABLE django_q_schedule {} TRIGGER due_in_time"
    if is_guarded:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute(switch.format("DISABLE"))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(switch.format("ENABLE"))


def test_an_empty_table_is_filled() -> None:
    assert list(sync().created) == NAMES
    rows = Schedule.objects.order_by("name")
    assert [row.name for row in rows] == [f"kimp:{name}" for name in NAMES]
    assert [row.func for row in rows] == [f"cycles.tasks.{name}" for name in NAMES]
    assert {row.schedule_type for row in rows} == {Schedule.MINUTES}


def test_a_second_sync_changes_nothing() -> None:
    sync()
    before = list(Schedule.objects.order_by("pk").values())
    assert sync().is_empty
    assert list(Schedule.objects.order_by("pk").values()) == before


def test_drift_is_mended() -> None:
    sync()
    Schedule.objects.filter(name="kimp:prune").update(minutes=7, func="elsewhere.prune")
    Schedule.objects.create(name="kimp:gone", func="cycles.tasks.gone")
    Schedule.objects.create(name="kimp:deliver_alerts", func="cycles.tasks.deliver_alerts")
    Schedule.objects.filter(name="kimp:refresh_markets").delete()
    done = sync()
    assert done.changed == ("prune",)
    assert done.created == ("refresh_markets",)
    assert done.deleted == ("deliver_alerts", "gone")
    assert sync().is_empty


def test_schedules_of_others_stay() -> None:
    Schedule.objects.create(name="report", func="elsewhere.report")
    sync()
    assert Schedule.objects.filter(name="report").exists()


def test_check_writes_nothing_and_fails_until_they_match(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(CommandError):
        call_command("sync_schedules", "--check", "--json")
    assert json.loads(capsys.readouterr().out)["created"] == NAMES
    assert not Schedule.objects.exists()
    call_command("sync_schedules")
    call_command("sync_schedules", "--check")
    assert "match" in capsys.readouterr().out


@pytest.mark.django_db(transaction=True)  # the queue's scheduler closes connections
@pytest.mark.parametrize("is_guarded", [True, False])
def test_a_host_whose_clock_runs_ahead_puts_no_job_off(
    monkeypatch: pytest.MonkeyPatch, is_guarded: bool
) -> None:
    sync()
    right = timezone.now
    with guarded(is_guarded=is_guarded), monkeypatch.context() as on_that_host:
        on_that_host.setattr(timezone, "now", lambda: right() + timedelta(hours=2))
        scheduler()
    assert OrmQ.objects.count() == len(SCHEDULES)  # each was due, and set on its way
    period = {f"kimp:{one.name}": timedelta(minutes=one.minutes) for one in SCHEDULES}
    put_off = [row for row in Schedule.objects.all() if row.next_run > right() + period[row.name]]
    assert len(put_off) == (0 if is_guarded else len(SCHEDULES))


def test_schedules_of_others_are_put_off_as_they_like() -> None:
    later = timezone.now() + timedelta(days=3)
    row = Schedule.objects.create(
        name="report", func="elsewhere.report", schedule_type="I", minutes=1, next_run=later
    )
    row.refresh_from_db()
    assert row.next_run == later
