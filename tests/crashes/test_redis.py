"""The queue in a Redis of the test's own: tasks run to their end, and what a killed cluster had fetched is gone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.utils import timezone
from django_q.brokers.redis_broker import Redis
from django_q.conf import Conf
from django_q.models import Schedule, Task
from django_q.scheduler import scheduler
from django_q.tasks import async_task

from cycles.domain.jobs import SCHEDULES
from cycles.models import Heartbeat
from cycles.services.correlating import bound, carry
from kimp import schedules
from kimp.sockets import free_port, is_free
from tests.concurrency.meeting import until_somebody_waits
from tests.desk import eventually
from tests.kimp.processes import PROJECT, environ_of

PROGRAM = shutil.which("redis-server", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")

pytestmark = [
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(PROGRAM is None, reason="redis-server is not on PATH"),
]

TASK = "cycles.tasks.deliver_alerts"
WITHOUT_ITS_CLIENT = """
import sys
sys.modules["redis"] = None
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "qcluster"])
"""


@dataclass
class Queue:
    """A Redis, this process's hand on it, and the clusters that work from it."""

    home: Path
    url: str
    broker: Any
    clusters: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, *names: str) -> None:
        """Start clusters."""
        for name in names:
            with self.log(name).open("wb") as log:
                self.clusters[name] = subprocess.Popen(
                    [sys.executable, "manage.py", "qcluster"],
                    cwd=PROJECT, env=self.environment(name), stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip

    def at_work(self) -> int:
        """Count the clusters that have told Redis of themselves in the last seconds."""
        return len(self.broker.get_stats(f"{Conf.Q_STAT}:*") or ())

    def environment(self, name: str) -> dict[str, str]:
        """Give a cluster a home and a port of its own, and the queue's URL."""
        home = self.home / name
        return environ_of("worker", free_port(), home) | {"KIMP_QUEUE_REDIS": self.url}

    def log(self, name: str) -> Path:
        """Name the file of a cluster's lines."""
        return self.home / f"{name}.log"

    def hands_held_out(self) -> int:
        """Count the clusters that wait for a task; one that was just killed may still be given one."""
        return int(self.broker.connection.info("clients")["blocked_clients"])

    def finished(self) -> Counter[str]:
        """Count by request id how often a task has ended, in whichever cluster."""
        lines = [line for name in self.clusters for line in self.log(name).read_text().splitlines()]
        told = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        return Counter(one["request_id"] for one in told if one.get("event") == "task.finished")

    def kill(self, name: str) -> None:
        """End a cluster with all its processes, as a machine that fails does."""
        child = self.clusters[name]
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    """Give an empty queue in a Redis that keeps nothing on disk."""
    port = free_port()
    options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(tmp_path)]
    with (tmp_path / "redis.log").open("wb") as log:
        server = subprocess.Popen(
            [str(PROGRAM), "--port", str(port), *options],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    monkeypatch.setattr(Conf, "REDIS", f"redis://127.0.0.1:{port}/0")
    found = Queue(home=tmp_path, url=Conf.REDIS, broker=None)
    try:
        eventually(lambda: not is_free(port))
        found.broker = Redis(Conf.CLUSTER_NAME)
        yield found
    finally:
        for name in found.clusters:
            found.kill(name)
        if found.broker is not None:
            found.broker.connection.close()
        server.kill()
        server.wait()


def test_async_and_scheduled_tasks_run_to_their_end_each_in_one_of_two_clusters(
    queue: Queue,
) -> None:
    asked = [f"r-{number}" for number in range(12)]
    queue.start("one", "two")
    eventually(lambda: queue.at_work() == 2)
    for request_id in asked:
        with bound(request_id=request_id):
            async_task(TASK, carry(), broker=queue.broker)
    _schedule("roll_up_samples")
    scheduler(broker=queue.broker)

    signs_of_life = len(queue.clusters)  # each queues one as it begins
    all_of_them = len(asked) + 1 + signs_of_life
    eventually(lambda: len(queue.finished()) == all_of_them)
    eventually(lambda: Task.objects.count() == all_of_them)
    assert not Task.objects.filter(success=False).exists()
    assert _outcome("roll_up_samples") == "done"
    assert queue.broker.queue_size() == 0
    assert set(queue.finished().values()) == {1}
    assert {request_id for request_id in queue.finished() if request_id in asked} == set(asked)


def test_what_a_killed_cluster_had_fetched_is_gone_and_the_schedule_brings_the_next(
    queue: Queue,
) -> None:
    _schedule("deliver_alerts")
    scheduler(broker=queue.broker)
    for _ in range(2):  # two run, the third and the sign of life wait inside the cluster
        async_task(TASK, broker=queue.broker)
    with _alerts_kept():
        queue.start("one")
        until_somebody_waits("relation")
        eventually(lambda: queue.broker.queue_size() == 0)
        queue.kill("one")
    eventually(lambda: queue.hands_held_out() == 0)
    async_task("cycles.tasks.tell_of_bans", broker=queue.broker)

    assert queue.broker.queue_size() == 1, "what nobody had fetched is all there is"
    queue.start("two")
    eventually(lambda: _outcome("tell_of_bans") == "done")
    assert _outcome("deliver_alerts") is None
    assert Task.objects.filter(func=TASK).count() == 0

    Schedule.objects.update(next_run=timezone.now() - timedelta(seconds=1))  # a minute later
    scheduler(broker=queue.broker)
    eventually(lambda: _outcome("deliver_alerts") == "done")
    eventually(lambda: Task.objects.filter(func=TASK, success=True).count() == 1)


def test_a_cluster_without_the_client_of_redis_says_so_and_does_not_start(queue: Queue) -> None:
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_ITS_CLIENT],
        cwd=PROJECT, env=queue.environment("bare"),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert told.returncode == 1
    assert "kimp.E004" in told.stderr
    assert "kimp.E003" not in told.stderr


def _schedule(name: str) -> None:
    """Schedule one job as sync_schedules does; it is due."""
    schedules.sync([one for one in SCHEDULES if one.name == name])


def _outcome(name: str) -> str | None:
    beat = Heartbeat.objects.filter(name=f"job:{name}").first()
    return None if beat is None else str(beat.detail["outcome"])


def _alerts_kept() -> psycopg.Connection:
    """Keep the table of alerts, as long as the context lasts: whoever delivers them waits."""
    params = connection.get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    line = psycopg.connect(**{name: params[name] for name in names})
    line.execute("LOCK TABLE cycles_alert IN ACCESS EXCLUSIVE MODE")
    return line
