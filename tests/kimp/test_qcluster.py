"""The worker role as a process: tasks run under the caller's ids, its metrics are served."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task
from django_q.tasks import async_task

from cycles.models import Heartbeat
from cycles.services.correlating import bound, carry
from kimp import queue_health
from kimp.process_table import _pids, kill_descendants, look_up
from kimp.sockets import LOOPBACK, free_port
from tests.kimp.processes import PROJECT, database_url, environ_of, give_another_thread, until
from tests.kimp.relaying import relay

IN_TIME = 10  # seconds: what Ctrl-C promises; it ends itself after six, which is no good end


def scrape(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
            return str(reply.read().decode())
    except urllib.error.URLError:
        return ""


def _of_session(leader: int) -> list[int]:
    return [one for one in _pids() if (found := look_up(one)) and found.session == leader]


@contextmanager
def cluster(
    folder: Path,
    port: int,
    database_port: int | None = None,
    *,
    ends_with: int = 0,
    is_held: bool = False,
    tell: Callable[[int, int], None] = os.kill,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Path]:
    """Run the worker role for a block, and end it; gives where its log is.

    One that is held stands still from its first child on, until it has been told to stop.
    """
    env = environ_of("worker", port, folder) | dict(variables or {})
    if database_port is not None:
        env["DATABASE_URL"] = database_url(port=database_port)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "qcluster"],
            cwd=PROJECT, env=env, stderr=log, stdout=log, start_new_session=True,
        )  # fmt: skip
        try:
            if is_held:
                until(lambda: len(_of_session(process.pid)) > 1)
                process.send_signal(signal.SIGSTOP)
            yield folder / "log"
        finally:
            tell(process.pid, signal.SIGTERM)
            process.send_signal(signal.SIGCONT)
            try:
                status = process.wait(IN_TIME)
            finally:
                kill_descendants(process.pid)  # none, unless it has failed
                process.kill()
    assert status == ends_with, (folder / "log").read_text()
    until(lambda: not _of_session(process.pid))  # what was killed is gone in a moment


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_task_runs_in_the_cluster_under_the_callers_ids_and_is_counted(tmp_path: Path) -> None:
    with bound(request_id="r-from-web", session_id="s-1"):
        async_task("cycles.tasks.deliver_alerts", carry())
    port = free_port()
    counted = 'kimp_task_seconds_count{outcome="done",task="deliver_alerts"} 1.0'
    with cluster(tmp_path, port) as log:
        until(lambda: counted in scrape(port))
    (line,) = [
        one
        for one in log.read_text().splitlines()
        if '"task.finished"' in one and '"deliver_alerts"' in one
    ]
    assert '"request_id": "r-from-web"' in line
    assert Heartbeat.objects.filter(name="job:deliver_alerts").exists()


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_cluster_that_has_just_begun_gives_a_sign_of_life_without_anything_scheduled(
    tmp_path: Path,
) -> None:
    with cluster(tmp_path, free_port()):
        until(Heartbeat.objects.filter(name__startswith="job:").exists)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_cluster_says_once_as_it_begins_which_jobs_are_scheduled_that_its_code_does_not_have(
    tmp_path: Path,
) -> None:
    for name in ("kimp:renamed", "another's"):
        Schedule.objects.create(name=name, func="cycles.tasks.nobody", next_run=tomorrow())
    with cluster(tmp_path, free_port()) as log:
        until(Heartbeat.objects.filter(name__startswith="job:").exists)
    (told,) = [one for one in log.read_text().splitlines() if "schedule.gone" in one]
    assert '"schedule": "kimp:renamed"' in told
    assert '"function": "cycles.tasks.nobody"' in told


def tomorrow() -> datetime:
    return timezone.now() + timedelta(days=1)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_cluster_that_begins_after_a_night_calls_no_job_late_for_that(tmp_path: Path) -> None:
    beat_at = Now() - timedelta(hours=12)
    Heartbeat.objects.create(name="job:prune", role="worker", beat_at=beat_at)
    assert "prune" in queue_health.late()
    with cluster(tmp_path, free_port()):
        until(Heartbeat.objects.filter(name="job:tell_of_bans").exists)
        assert queue_health.late() == ""


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_while_the_cluster_starts_is_waited_for(tmp_path: Path) -> None:
    port = int(connection.get_connection_params()["port"])
    with (
        relay(port, fatal=b'INSERT INTO "django_q_ormq"') as between,
        cluster(tmp_path, free_port(), database_port=between.port) as log,
    ):
        until(lambda: "failed to start" in log.read_text())
        between.mend()
        until(Heartbeat.objects.filter(name__startswith="job:").exists)
    assert '"cluster.starts_anew"' in log.read_text()


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_cluster_told_to_stop_while_a_task_hangs_ends_in_time_and_leaves_no_process(
    tmp_path: Path,
) -> None:
    async_task("time.sleep", 90)
    with cluster(tmp_path, free_port(), ends_with=1) as log:
        until(Heartbeat.objects.filter(name="job:tell_of_bans").exists)  # queued after it
    assert '"cluster.cut_short"' in log.read_text()


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_cluster_told_to_stop_begins_none_of_the_tasks_that_wait_in_it_and_leaves_them_queued(
    tmp_path: Path,
) -> None:
    """It has fetched no more than each worker's next: one lies between them, one is in the hand of who fetches."""
    for _ in range(2):  # both workers have something in hand
        async_task("time.sleep", 4)
    waiting = ["cycles.tasks.deliver_alerts", "cycles.tasks.roll_up_samples"]
    for one in waiting:
        async_task(one)
    with cluster(tmp_path, free_port()) as log:
        fetched = OrmQ.objects.filter(lock__gt=Now())
        until(lambda: fetched.count() >= 2 + len(waiting))
        until(lambda: OrmQ.objects.count() > 2 + len(waiting))  # the sign of life
    assert sorted(row.func() for row in fetched) == waiting
    assert [row.func() for row in OrmQ.objects.exclude(pk__in=fetched)] == [
        "cycles.tasks.tell_of_bans"
    ]
    assert not Heartbeat.objects.filter(name__startswith="job:").exists()
    assert set(Task.objects.values_list("func", "success")) == {("time.sleep", True)}
    assert log.read_text().count('"task.left"') == len(waiting)


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_cluster_told_to_stop_before_it_knows_that_it_has_begun_ends_in_time_too(
    tmp_path: Path,
) -> None:
    """Its workers work before it looks whether they do."""
    async_task("time.sleep", 90)
    with cluster(tmp_path, free_port(), ends_with=1, is_held=True) as log:
        until(Heartbeat.objects.filter(name="job:tell_of_bans").exists)
    assert '"cluster.cut_short"' in log.read_text()


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_cluster_hears_a_signal_that_another_of_its_threads_was_given(tmp_path: Path) -> None:
    """So it may be where it stood still: its main thread waits meanwhile, and only that can act on signals."""
    port = free_port()
    with cluster(tmp_path, port, tell=give_another_thread):
        until(lambda: bool(scrape(port)))


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_second_cluster_on_a_taken_port_leaves_what_the_first_has_counted(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        counted = tmp_path / "metrics" / f"worker-{port}" / "counter_1.db"
        counted.parent.mkdir(parents=True)
        counted.touch()
        second = subprocess.run(
            [sys.executable, "manage.py", "qcluster"],
            cwd=PROJECT, env=environ_of("worker", port, tmp_path),
            capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
    assert second.returncode != 0
    assert f"port {port} (worker) is taken" in second.stderr
    assert counted.exists()
