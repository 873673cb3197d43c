"""The schedule rows match the code; rows of others are left alone."""

from __future__ import annotations

import json

import pytest
from django.core.management import CommandError, call_command
from django_q.models import Schedule

from cycles.tasks import SCHEDULES
from kimp.schedules import sync

pytestmark = pytest.mark.django_db
NAMES = sorted(one.name for one in SCHEDULES)


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
