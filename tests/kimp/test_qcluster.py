"""The worker role as a process: tasks run under the caller's ids, its metrics are served."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from django_q.tasks import async_task

from cycles.models import Heartbeat
from cycles.services.correlating import bound, carry
from kimp.sockets import free_port
from tests.kimp.processes import PROJECT, environ_of, until


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
    with (tmp_path / "log").open("w") as log:
        cluster = subprocess.Popen(
            [sys.executable, "manage.py", "qcluster"],
            cwd=PROJECT, env=environ_of("worker", port, tmp_path), stderr=log, stdout=log, start_new_session=True,
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
