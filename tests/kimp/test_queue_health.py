"""A queue is wedged when its jobs have written no heartbeat for long."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import Task

from cycles.models import Heartbeat
from cycles.services import presence
from kimp import queue_health

pytestmark = pytest.mark.django_db
_LONG = 10_000.0


@pytest.fixture(autouse=True)
def a_new_cluster() -> None:
    """Let nothing of others be known."""
    queue_health.wedged(0.0)


def _beat(name: str, age_seconds: int) -> None:
    beat_at = Now() - timedelta(seconds=age_seconds)
    Heartbeat.objects.create(name=name, role="worker", beat_at=beat_at)


def test_a_queue_whose_newest_job_is_old_is_wedged() -> None:
    _beat("job:sweep_retries", 200)
    _beat("job:deliver_alerts", 400)
    reason = queue_health.wedged(_LONG)
    assert reason is not None
    assert reason.startswith("its newest heartbeat is 20")


def test_one_job_that_ran_lately_is_enough() -> None:
    _beat("job:sweep_retries", 400)
    _beat("job:deliver_alerts", 20)
    assert queue_health.wedged(_LONG) is None


def test_a_queue_that_has_just_started_is_given_time() -> None:
    _beat("job:sweep_retries", 400)
    assert queue_health.wedged(100.0) is None


def test_heartbeats_of_other_processes_do_not_count() -> None:
    _beat("job:sweep_retries", 400)
    _beat("finalizer:1", 1)
    assert queue_health.wedged(_LONG) is not None


@pytest.mark.parametrize(
    ("name", "well", "late"), [("sweep_retries", 290, 310), ("verify_ledger", 1250, 1270)]
)
def test_a_job_is_late_after_some_of_its_own_intervals(name: str, well: int, late: int) -> None:
    _beat("job:deliver_alerts", 20)
    _beat(f"job:{name}", well)
    assert queue_health.late() == ""
    Heartbeat.objects.filter(name=f"job:{name}").update(beat_at=Now() - timedelta(seconds=late))
    told = f"jobs that have not ended well: {name} for {late // 60} minutes"
    assert queue_health.late() == told


def test_a_job_that_runs_and_fails_each_time_is_late_as_one_that_does_not_run() -> None:
    _beat("job:sweep_retries", 310)
    presence.beat_of_job("sweep_retries", {}, is_well=False)
    assert queue_health.late().endswith("sweep_retries for 5 minutes")
    presence.beat_of_job("sweep_retries", {}, is_well=True)
    assert queue_health.late() == ""


def test_a_sign_of_a_job_that_this_code_does_not_have_is_nobodys() -> None:
    _beat("job:of_an_old_release", 310)
    assert queue_health.late() == ""


@pytest.mark.parametrize(("newest", "late"), [(400, ""), (20, "prune")])
def test_a_queue_that_stood_still_has_its_jobs_before_it_when_it_begins_again(
    newest: int, late: str
) -> None:
    """One that is only started again and again does not."""
    _beat("job:deliver_alerts", newest)
    _beat("job:prune", 20_000)
    queue_health.begin()
    assert late in queue_health.late()
    assert bool(queue_health.late()) is bool(late)


def test_no_heartbeat_at_all_is_no_reason() -> None:
    assert queue_health.wedged(_LONG) is None


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a result be owed for no time."""
    monkeypatch.setattr(queue_health, "UNRECORDED", timedelta())


def _record(stopped: datetime) -> None:
    Task.objects.create(
        id=uuid.uuid4().hex, name="one", func="time.sleep", started=stopped, stopped=stopped
    )


def test_a_queue_whose_jobs_beat_and_of_which_nothing_is_recorded_is_wedged(hasty: None) -> None:
    _beat("job:sweep_retries", 1)
    assert queue_health.wedged(_LONG) is None
    presence.beat_of_job("sweep_retries", {}, is_well=True)
    told = queue_health.wedged(_LONG)
    assert told is not None
    assert told.startswith("its jobs run, and nothing was recorded of them for")


def test_a_result_is_owed_for_a_while_before_a_queue_is_wedged() -> None:
    assert queue_health.wedged(_LONG) is None
    presence.beat_of_job("sweep_retries", {}, is_well=True)
    assert queue_health.wedged(_LONG) is None


@pytest.mark.parametrize("ahead", [timedelta(hours=-1), timedelta(hours=1)])
def test_what_is_recorded_is_seen_whatever_the_clock_says_of_who_records(
    hasty: None, ahead: timedelta
) -> None:
    _record(timezone.now())
    _record(timezone.now() - timedelta(minutes=3))
    assert queue_health.wedged(_LONG) is None
    presence.beat_of_job("sweep_retries", {}, is_well=True)
    _record(timezone.now() + ahead)
    assert queue_health.wedged(_LONG) is None


def test_a_result_that_is_neither_the_first_nor_the_last_is_seen_where_another_goes_for_it(
    hasty: None,
) -> None:
    """One of a clock that was ahead is the last for hours, a failure the first for ever, and only so many are saved."""
    for ago in (timedelta(days=1), timedelta(minutes=3), -timedelta(hours=2)):
        _record(timezone.now() - ago)
    assert queue_health.wedged(_LONG) is None
    presence.beat_of_job("sweep_retries", {}, is_well=True)
    in_between = Task.objects.order_by("stopped")[1]
    _record(timezone.now())
    in_between.delete()
    assert queue_health.wedged(_LONG) is None


def test_a_queue_that_is_started_again_owes_nothing(hasty: None) -> None:
    queue_health.wedged(_LONG)
    presence.beat_of_job("sweep_retries", {}, is_well=True)
    queue_health.wedged(0.0)
    assert queue_health.wedged(_LONG) is None
