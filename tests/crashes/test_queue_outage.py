"""The database goes away under the queue's cluster: it says so once, waits, and works what was asked for meanwhile."""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django.db.models.functions import Now
from django_q.brokers import get_broker
from django_q.models import OrmQ
from django_q.scheduler import scheduler
from django_q.tasks import async_task

from cycles.models import Heartbeat
from cycles.services.shared_outage import SharedOutage
from kimp import queue_broker
from kimp.sockets import free_port
from tests.concurrency.meeting import until_somebody_waits
from tests.crashes.running import cut_connections
from tests.crashes.test_outage import HELD_SECONDS, TROUBLES, altered, plain_user
from tests.kimp.log_lines import captured
from tests.kimp.processes import database_url, until
from tests.kimp.relaying import relay
from tests.kimp.test_qcluster import cluster

# Once each: of all its processes, and of the one task that was in hand.
MEANWHILE = ("database.unreachable", "task.failed", "task.alert_lost", "task.heartbeat_lost")
STANDS_SECONDS = 1.0  # several times as long as who fetches waits

pytestmark = [
    pytest.mark.processes,
    pytest.mark.django_db(transaction=True),
    pytest.mark.timeout(120),
]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_cluster_says_once_that_its_database_is_in_trouble_and_then_works_what_was_asked_for(
    tmp_path: Path, trouble: str
) -> None:
    """Of its processes the one that fetches, one that records, and one with a task in hand meet it."""
    with plain_user() as name, cluster(tmp_path, free_port(), variables=_as(name)) as log:
        until(Heartbeat.objects.filter(name="job:tell_of_bans").exists)
        with psycopg.connect(**_place()) as other:
            other.execute("LOCK TABLE cycles_alert IN ACCESS EXCLUSIVE MODE")
            async_task("cycles.tasks.deliver_alerts")
            until_somebody_waits("relation")
            with altered(*TROUBLES[trouble]):
                cut_connections("kimp-worker")
                async_task("cycles.tasks.roll_up_samples")
                until(lambda: _told(log)["database.unreachable"] > 0)
                time.sleep(HELD_SECONDS)
        until(Heartbeat.objects.filter(name="job:roll_up_samples").exists)
    told = _told(log)
    assert (told["database.unreachable"], told["database.answers_again"]) == (1, 1), told
    assert told["task.failed"] == 1
    traced = [line["event"] for line in _lines(log) if "exception" in line]
    assert set(traced) <= {
        "task.alert_lost"
    }  # in a read-only database it waits for this test's lock
    assert "\nTraceback" not in log.read_text()
    complaints = Counter(line["event"] for line in _lines(log) if line["level"] != "info")
    assert complaints <= Counter(MEANWHILE), complaints
    assert [line["event"] for line in _lines(log) if line["logger"] == "django-q"] == []


def _as(user: str) -> dict[str, str]:
    return {"DATABASE_URL": database_url(user=user)}


def _place() -> dict[str, Any]:
    params = connection.get_connection_params()
    return {name: params[name] for name in ("host", "port", "user", "password", "dbname")}


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def _is_fetched(function: str) -> bool:
    return any(row.func() == function for row in OrmQ.objects.filter(lock__gt=Now()))


def _told(log: Path) -> Counter[str]:
    return Counter(line["event"] for line in _lines(log))


def test_a_cluster_says_once_that_its_server_is_slow_and_goes_on_by_itself_once_it_is_not(
    tmp_path: Path,
) -> None:
    """Fetching waits until `statement_timeout` ends it, again and again; so does the acknowledgement of a task."""
    hasty = {"KIMP_STATEMENT_SECONDS": "1"}
    with cluster(tmp_path, free_port(), variables=hasty) as log:
        until(Heartbeat.objects.filter(name="job:tell_of_bans").exists)
        async_task("time.sleep", 3)
        until(lambda: _is_fetched("time.sleep"))
        with psycopg.connect(**_place()) as other:
            other.execute("LOCK TABLE django_q_ormq IN ACCESS EXCLUSIVE MODE")
            until(lambda: _told(log)["database.unreachable"] > 0)
            time.sleep(HELD_SECONDS)
        async_task("cycles.tasks.roll_up_samples")
        until(Heartbeat.objects.filter(name="job:roll_up_samples").exists)
    told = _told(log)
    assert (told["database.unreachable"], told["database.answers_again"]) == (1, 1), told
    assert {line["level"] for line in _lines(log)} == {"info", "warning"}
    assert "Traceback" not in log.read_text()


def test_a_server_that_stands_still_costs_a_cluster_time_only_and_one_that_is_stopped_no_good_end(
    tmp_path: Path,
) -> None:
    """While it stands still a task is asked for, which is worked after that; while its port is closed, which is said once,
    the cluster is told to stop.
    """
    port = int(connection.get_connection_params()["port"])
    with relay(port) as between, ExitStack() as outage:
        with cluster(tmp_path, free_port(), database_port=between.port) as log:
            until(Heartbeat.objects.filter(name="job:tell_of_bans").exists)
            with between.held():
                async_task("cycles.tasks.roll_up_samples")
                until(lambda: between.held_up > 0)
                time.sleep(STANDS_SECONDS)
            until(Heartbeat.objects.filter(name="job:roll_up_samples").exists)
            assert {line["level"] for line in _lines(log)} == {"info"}

            async_task("time.sleep", 2)  # it is to be recorded when nobody listens
            until(lambda: _is_fetched("time.sleep"))
            outage.enter_context(between.closed())
            until(lambda: _told(log)["database.unreachable"] > 0)
            time.sleep(HELD_SECONDS)
        told = _told(log)
        assert (told["database.unreachable"], told["cluster.cut_short"]) == (1, 0)
        assert "Traceback" not in log.read_text()


def test_a_schedule_that_cannot_be_read_says_no_more_than_that_the_database_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(queue_broker, "OUTAGE", SharedOutage())  # this process has others to run
    broker = get_broker()
    with altered(*TROUBLES["away"]), captured(logging.WARNING) as lines:
        connection.close()
        logging.getLogger("django-q").addFilter(queue_broker.is_news)
        try:
            for _ in range(2):
                scheduler(broker)
        finally:
            logging.getLogger("django-q").removeFilter(queue_broker.is_news)
    assert [line["event"] for line in lines.parsed] == ["database.unreachable"]
