"""A queue is wedged when its jobs have written no heartbeat for long."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from cycles.models import Heartbeat
from kimp import queue_health

pytestmark = pytest.mark.django_db
_LONG = 10_000.0


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


def test_no_heartbeat_at_all_is_no_reason() -> None:
    assert queue_health.wedged(_LONG) is None
