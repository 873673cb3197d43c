"""A cluster whose idle workers are killed waits for ever, alive: the supervisor starts another, and its queue goes on.

So it does where who records results was killed: jobs run, and none is recorded.
"""

from __future__ import annotations

import dataclasses
import os
import signal
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.db.models import F
from django.db.models.functions import Now
from django_q.models import OrmQ
from django_q.tasks import async_task

from cycles.models import Heartbeat
from kimp import desk, queue_health
from kimp.children import Child, ChildSpec
from kimp.process_table import Process, session_of
from kimp.sockets import free_port
from kimp.supervisor import Printer, Supervisor
from tests.kimp.processes import environ_of

PATIENCE = 40
UNRECORDED = timedelta(seconds=1)
BEGINS_SECONDS = 1.0  # what was fetched is begun at once
JOB = "roll_up_samples"

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


def test_a_cluster_whose_idle_workers_were_killed_is_started_again_and_works_what_it_had_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of them dies with the queue's lock, which no other ever gets; which one, nobody can say. Of the cluster that
    follows who records results is killed, with the lock of theirs.
    """
    lines: list[str] = []
    printer = Printer(write=lines.append, has_colours=False)
    with Supervisor(tmp_path / "children.json", printer, check_seconds=0.2) as group:
        worker = group.start(_as_up_does(tmp_path))
        assert group.pump(lambda: _ran("tell_of_bans") and _is_idle(), patience_seconds=PATIENCE)
        wedged = worker.identity
        assert wedged is not None
        for process in _pool_of(wedged):
            os.kill(process.pid, signal.SIGKILL)
        assert group.pump(lambda: _count(lines, "after death") == 2, patience_seconds=PATIENCE)

        async_task(f"cycles.tasks.{JOB}")
        fetched = OrmQ.objects.filter(lock__gt=Now())
        assert group.pump(fetched.exists, patience_seconds=PATIENCE)
        group.pump(lambda: _ran(JOB), patience_seconds=BEGINS_SECONDS)
        assert not _ran(JOB)
        assert worker.identity == wedged

        _let_pass(queue_health.TOO_OLD, worker)
        assert group.pump(lambda: worker.identity not in {None, wedged}, patience_seconds=PATIENCE)
        OrmQ.objects.update(lock=F("lock") - queue_health.TOO_OLD)  # after `retry` it is handed out
        assert group.pump(lambda: _ran(JOB) and _is_idle(), patience_seconds=PATIENCE)
        assert _count(lines, "s old; starting it again") == 1

        assert worker.identity is not None
        os.kill(_recorder_of(worker.identity).pid, signal.SIGKILL)
        assert group.pump(lambda: _count(lines, "sudden death") == 1, patience_seconds=PATIENCE)
        monkeypatch.setattr(queue_health, "UNRECORDED", UNRECORDED)
        worker.started_at -= queue_health.TOO_OLD.total_seconds()
        group.pump(lambda: False, patience_seconds=BEGINS_SECONDS)
        assert _count(lines, "starting it again") == 1  # nothing is owed yet
        Heartbeat.objects.all().delete()
        async_task(f"cycles.tasks.{JOB}")
        told = "nothing was recorded of them"
        assert group.pump(lambda: _count(lines, told) == 1, patience_seconds=PATIENCE)
        assert _ran(JOB)
        assert not _is_idle()


def _as_up_does(home: Path) -> ChildSpec:
    specs = desk.roles(desk.plans({}), queue_health.ask)
    found = next(spec for spec in specs if spec.name == "worker")
    return dataclasses.replace(found, environment=environ_of("worker", free_port(), home))


def _pool_of(leader: Process) -> list[Process]:
    """Give the workers of a cluster: what its sentinel has started first, before who records and who fetches."""
    _, _sentinel, *pool, _records, _fetches = _in_order(leader)
    assert len(pool) == settings.Q_CLUSTER["workers"]
    return pool


def _recorder_of(leader: Process) -> Process:
    return _in_order(leader)[-2]


def _in_order(leader: Process) -> list[Process]:
    """Give the processes of a cluster as they were started."""
    return sorted(session_of(leader), key=lambda one: (one.started, one.pid))


def _ran(job: str) -> bool:
    return Heartbeat.objects.filter(name=f"job:{job}").exists()


def _is_idle() -> bool:
    return not OrmQ.objects.exists()


def _count(lines: list[str], text: str) -> int:
    return sum(text in line for line in lines)


def _let_pass(time: timedelta, child: Child) -> None:
    """Make everything that is measured older, instead of waiting."""
    Heartbeat.objects.update(beat_at=F("beat_at") - time)
    child.started_at -= time.total_seconds()
