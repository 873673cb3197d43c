"""Tasks: one service call each, under ids, with a heartbeat, and one boundary for what fails."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any, NoReturn

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models.functions import Now
from django.utils.module_loading import import_string
from django_q.exceptions import TimeoutException
from django_q.models import Success
from django_q.timeout import TimeoutHandler
from psycopg.errors import DeadlockDetected, IoError

from cycles import tasks
from cycles.domain import jobs
from cycles.domain.words import DeskKind, Role
from cycles.errors import NotFoundError
from cycles.models import Alert, Heartbeat, IdempotencyRecord, PremiumSample, RollUpMark
from cycles.services.alerting import raise_alert
from cycles.services.correlating import bound, carry
from cycles.services.presence import beat, well_at
from cycles.services.shared_outage import SharedOutage
from exchanges import registry
from exchanges.errors import ModeError
from exchanges.models import VenueClock
from tests.builders import desk, sample
from tests.kimp.log_lines import captured


@pytest.mark.parametrize("scheduled", jobs.SCHEDULES, ids=lambda one: one.name)
def test_every_scheduled_name_is_a_task(scheduled: jobs.Scheduled) -> None:
    found = import_string(scheduled.function)
    assert found is getattr(tasks, scheduled.name)
    assert scheduled.minutes >= 1


def test_no_task_is_scheduled_twice() -> None:
    names = [one.name for one in jobs.SCHEDULES]
    assert len(names) == len(set(names))


@pytest.mark.django_db
def test_a_task_beats_and_gives_plain_values() -> None:
    raise_alert(key="a", severity=Alert.Severity.INFO, title="a")
    assert tasks.deliver_alerts() == 1
    row = Heartbeat.objects.get(name="job:deliver_alerts")
    assert row.role == Role.WORKER
    assert (row.detail["outcome"], row.detail["done"]) == ("done", 1)


@pytest.mark.django_db
def test_a_task_resumes_the_ids_it_was_given() -> None:
    with bound(request_id="r-1", session_id="s-1"):
        carried = carry()
    with captured(logging.INFO) as lines:
        tasks.deliver_alerts(carried)
    (line,) = lines.named("task.finished")
    assert (line["request_id"], line["session_id"]) == ("r-1", "s-1")
    assert carry() == {}


@pytest.mark.django_db
def test_a_scheduled_task_gets_ids_of_its_own(settings: Any) -> None:
    with captured(logging.INFO) as lines:
        tasks.deliver_alerts()
        tasks.deliver_alerts()
    first, second = lines.named("task.finished")
    assert first["request_id"] != second["request_id"]
    assert first["session_id"] == settings.KIMP_SESSION_ID


def broken() -> NoReturn:
    raise RuntimeError("venue said token=hushhush")


@pytest.mark.django_db
def test_a_task_that_fails_is_logged_told_once_an_hour_and_raised() -> None:
    with captured(logging.INFO) as lines:
        for _ in range(2):
            with pytest.raises(RuntimeError):
                tasks._run("test", broken, {"request_id": "r-1"})
    failed = lines.named("task.failed")
    assert len(failed) == 2
    assert "RuntimeError" in failed[0]["exception"]
    alert = Alert.objects.get()
    assert alert.title == "Scheduled task test failed"
    assert "r-1" in alert.body
    assert alert.request_id == "r-1"
    assert "hushhush" not in alert.body + "".join(lines.texts)
    assert Heartbeat.objects.get(name="job:test").detail["outcome"] == "failed"


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_hides_no_error() -> None:
    """The alert and the heartbeat cannot be written inside the broken transaction either."""

    def breaks() -> NoReturn:
        list(Heartbeat.objects.raw("SELECT nothing FROM nowhere"))
        raise AssertionError("unreachable")

    with captured(logging.INFO) as lines, pytest.raises(DatabaseError, match="nowhere"):
        tasks._run("test", breaks, None)
    assert len(lines.named("task.failed")) == 1


def takes_too_long() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(60)")


@pytest.mark.django_db(transaction=True)
def test_a_task_that_the_queue_cuts_off_is_told_as_one_that_fails_and_ends_as_the_queue_wants() -> (
    None
):
    with captured(logging.INFO) as lines, pytest.raises(TimeoutException), TimeoutHandler(1):
        tasks._run("test", takes_too_long, {"request_id": "r-1"})
    (failed,) = lines.named("task.failed")
    assert "takes_too_long" in failed["exception"]
    alert = Alert.objects.get(key__startswith="task:test:")
    assert (alert.title, "r-1" in alert.body) == ("Scheduled task test failed", True)
    row = Heartbeat.objects.get(name="job:test")
    assert (row.detail["outcome"], row.detail["error"]) == ("failed", "TimeoutException")


def is_slow() -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL statement_timeout = 10")
        cursor.execute("SELECT pg_sleep(60)")


@pytest.mark.django_db(transaction=True)
def test_a_statement_of_a_task_that_takes_too_long_is_its_own_trouble_and_no_outage(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "OUTAGE", SharedOutage())  # this process has others to run
    with captured(logging.INFO) as lines, pytest.raises(OperationalError):
        tasks._run("test", is_slow, None)
    (failed,) = lines.named("task.failed")
    assert "is_slow" in failed["exception"]
    assert not lines.named("database.unreachable")


@pytest.mark.django_db(transaction=True)
def test_a_statement_that_takes_too_long_in_an_outage_that_is_known_is_a_part_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outage = SharedOutage()
    outage.tell(OperationalError("fetching was given up"))
    monkeypatch.setattr(tasks, "OUTAGE", outage)
    with captured(logging.INFO) as lines, pytest.raises(OperationalError):
        tasks._run("test", is_slow, None)
    (failed,) = lines.named("task.failed")
    assert (failed["error"], "exception" in failed) == ("QueryCanceled", False)
    assert not lines.named("database.unreachable")


@pytest.mark.django_db(transaction=True)
def test_a_lock_that_a_task_could_not_have_is_told_once_with_its_traceback_and_is_no_outage() -> (
    None
):
    def waits() -> None:
        error = OperationalError("deadlock detected")
        raise error from DeadlockDetected()

    with captured(logging.INFO) as lines, pytest.raises(OperationalError):
        tasks._run("test", waits, None)
    (failed,) = lines.named("task.failed")
    assert "waits" in failed["exception"]
    assert not lines.named("database.busy") + lines.named("database.unreachable")


@pytest.mark.django_db(transaction=True)
def test_trouble_that_a_server_tells_of_is_the_tasks_own_and_keeps_its_traceback() -> None:
    def reads_a_broken_disk() -> None:
        error = OperationalError("could not read block 7")
        raise error from IoError()

    with captured(logging.INFO) as lines, pytest.raises(OperationalError):
        tasks._run("test", reads_a_broken_disk, None)
    (failed,) = lines.named("task.failed")
    assert "could not read block 7" in failed["exception"]
    assert not lines.named("database.unreachable")


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_is_said_in_the_line_of_its_task_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def finds_nobody() -> None:
        connection.close()
        raise OperationalError("connection refused")

    monkeypatch.setattr(tasks, "OUTAGE", SharedOutage())  # this process has others to run
    with captured(logging.INFO) as lines, pytest.raises(OperationalError):
        tasks._run("test", finds_nobody, None)
    (failed,) = lines.named("task.failed")
    assert (failed["said"], "exception" in failed) == ("connection refused", False)
    assert len(lines.named("database.unreachable")) == 1


@pytest.mark.django_db
def test_a_job_that_fails_keeps_when_it_last_ended_well() -> None:
    tasks._run("test", lambda: None, None)
    well = Heartbeat.objects.get(name="job:test").beat_at
    for _ in range(2):
        with pytest.raises(RuntimeError):
            tasks._run("test", broken, None)
        row = Heartbeat.objects.get(name="job:test")
        assert (well_at(row), row.beat_at > well) == (well, True)
    tasks._run("test", lambda: None, None)
    row = Heartbeat.objects.get(name="job:test")
    assert well_at(row) == row.beat_at


VENUE_TASKS = (
    tasks.sweep_retries,
    tasks.sweep_expired_leases,
    tasks.process_dead_letters,
    tasks.reconcile_open_calls,
    tasks.refresh_markets,
    tasks.verify_ledger,
)


@pytest.fixture
def fresh_process() -> Iterator[None]:
    tasks._know_the_desk.cache_clear()
    registry.configure(database_is_live=False)
    yield
    tasks._know_the_desk.cache_clear()
    registry.configure(database_is_live=False)


@pytest.mark.django_db
@pytest.mark.parametrize("task", VENUE_TASKS, ids=lambda task: task.__name__)
def test_no_task_asks_a_simulator_about_a_live_desk(task: Any, fresh_process: None) -> None:
    """A simulator that knows nothing of a real order would be evidence for its absence."""
    desk(kind=DeskKind.LIVE)
    with suppress(ModeError):
        task()
    with pytest.raises(ModeError, match="LIVE"):
        registry.is_live()


@pytest.mark.django_db
def test_a_database_without_a_desk_asks_no_venue(fresh_process: None) -> None:
    with pytest.raises(NotFoundError, match="seed_desk"):
        tasks.sweep_retries()


@pytest.mark.django_db
def test_pruning_takes_only_what_is_old() -> None:
    user = get_user_model().objects.create_user("op")
    for key, hours in (("old", 73), ("young", 71)):
        IdempotencyRecord.objects.create(user=user, key=key, fingerprint="f")
        IdempotencyRecord.objects.filter(key=key).update(created_at=Now() - timedelta(hours=hours))
    for name, hours in (("feeder@old", 25), ("feeder@young", 23), ("job:late", 25)):
        beat(name, Role.FEEDER)
        Heartbeat.objects.filter(name=name).update(beat_at=Now() - timedelta(hours=hours))
    for name, hours in (("old", 25), ("young", 23)):
        then = Now() - timedelta(hours=hours)
        Success.objects.create(id=name, func="f", started=then, stopped=then, success=True)
    for asset, days in (("OLD", 31), ("YOUNG", 29)):
        row = sample(asset)
        PremiumSample.objects.filter(pk=row.pk).update(at=Now() - timedelta(days=days))
    for _ in range(2):  # what is young may have company yet
        tasks.roll_up_samples()
        RollUpMark.objects.update(seen_at=Now() - timedelta(minutes=2))
    tasks.roll_up_samples()
    for host, days in (("old", 8), ("young", 6)):
        at = Now() - timedelta(days=days)
        VenueClock.objects.create(venue="upbit", host=host, ahead_ms=0, doubt_ms=1, measured_at=at)
    assert tasks.prune() == {
        "idempotency_records": 1,
        "heartbeats": 1,
        "samples": 1,
        "minutes": 0,
        "hours": 0,
        "clocks": 1,
        "seen": 0,
    }
    assert [row.host for row in VenueClock.objects.filter(host__in=["old", "young"])] == ["young"]
    assert [row.key for row in IdempotencyRecord.objects.all()] == ["young"]
    assert not Heartbeat.objects.filter(name="feeder@old").exists()
    assert Heartbeat.objects.filter(name="job:late").exists()  # missed, and named
    assert [row.id for row in Success.objects.all()] == ["young"]
    assert [row.asset for row in PremiumSample.objects.all()] == ["YOUNG"]
