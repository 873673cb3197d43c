"""The worker role as a process: tasks run under the caller's ids, its metrics are served."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings
from django.db import connection
from django_q.tasks import async_task

from cycles.models import Heartbeat
from cycles.services.correlating import bound, carry
from kimp.sockets import free_port

PROJECT = Path(__file__).resolve().parents[2]


def until(claim: Callable[[], bool], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)


def database_url() -> str:
    found = connection.get_connection_params()
    password = quote(found["password"], safe="")
    return (
        f"postgresql://{found['user']}:{password}@{found['host']}:{found['port']}/{found['dbname']}"
    )


def scrape(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as reply:
            return str(reply.read().decode())
    except urllib.error.URLError:
        return ""


@pytest.mark.processes
@pytest.mark.django_db(transaction=True)
def test_a_task_runs_in_the_cluster_under_the_callers_ids_and_is_counted(tmp_path: Path) -> None:
    with bound(request_id="r-from-web", session_id="s-1"):
        async_task("cycles.tasks.deliver_alerts", carry())
    port = free_port()
    environ = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "kimp.settings",
        "SECRET_KEY": settings.SECRET_KEY,  # the queue's packages are signed
        "DATABASE_URL": database_url(),
        "KIMP_HOME": str(tmp_path),
        "KIMP_ROLE": "worker",
        "KIMP_PORT": str(port),
        "KIMP_LOG_FORMAT": "json",
    }
    with (tmp_path / "log").open("w") as log:
        cluster = subprocess.Popen(
            [sys.executable, "manage.py", "qcluster"],
            cwd=PROJECT, env=environ, stderr=log, stdout=log, start_new_session=True,
        )  # fmt: skip
        try:
            counted = 'kimp_task_seconds_count{outcome="done",task="deliver_alerts"} 1.0'
            until(lambda: counted in scrape(port))
        finally:
            cluster.send_signal(signal.SIGTERM)
            status = cluster.wait(20)
    text = (tmp_path / "log").read_text()
    assert status == 0, text
    (line,) = [one for one in text.splitlines() if '"task.finished"' in one]
    assert '"request_id": "r-from-web"' in line
    assert Heartbeat.objects.filter(name="job:deliver_alerts").exists()
