"""The desk behind a PgBouncer by transaction: what a session would keep is lost, and no cycle minds."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection
from django_q.tasks import async_task

from cycles.models import Heartbeat
from cycles.services import notices
from tests import builders
from tests.builders import person
from tests.crashes.pooling import PROGRAM, SERVERS, Pooler, limits_of_the_role, running_pooler
from tests.crashes.proof import all_end, assert_one_story
from tests.crashes.running import DeskWithAQueue, running_desk
from tests.desk import eventually
from tests.kimp.processes import PROJECT, environ_of

pytestmark = [
    pytest.mark.processes,
    pytest.mark.timeout(240),
    pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is neither on PATH nor in /usr/sbin"),
]

ROLES = ("feeder-1", "initiator-1", "finalizer-1", "worker-1")
LIMITS = {
    "statement_timeout": "60s",
    "lock_timeout": "3s",
    "idle_in_transaction_session_timeout": "5s",
}
# A cursor of the server is in the hands of whoever got its session meanwhile.
PROBE = """
import django, json, psycopg
django.setup()
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from exchanges.own_connection import own_connection
from kimp.diagnosis import database

def rows():
    found = User.objects.order_by("pk").iterator(chunk_size=1)
    other = own_connection()
    try:
        next(found)
        other.set_autocommit(False)
        other.cursor().execute("SELECT 1")
        return 1 + sum(1 for _ in found)
    except psycopg.Error as error:  # Django's own words for it end at the cursor's close
        return type(error).__name__
    finally:
        other.close()

found = {one.subject: (one.level.name, one.detail) for one in database.of_database()}
with connection.cursor() as cursor:
    cursor.execute("SELECT current_setting('application_name')")
    (name,) = cursor.fetchone()
root = User.objects.create(username="root", is_superuser=True, is_staff=True)
admin = Client(SERVER_NAME="localhost")
admin.force_login(root)
pages = [admin.get(path).status_code for path in ("/admin/", f"/admin/auth/user/{root.pk}/change/")]
root.delete()
told = {"found": found, "name": name, "pages": pages, "read": rows()}
connection.settings_dict["DISABLE_SERVER_SIDE_CURSORS"] = False
print(json.dumps(told | {"by_a_cursor": rows()}))
"""


@pytest.fixture
def pooler(transactional_db: None, reachable_path: Path) -> Iterator[Pooler]:
    """Give a pooler whose sessions have the time-outs of the role."""
    with limits_of_the_role(**LIMITS), running_pooler(reachable_path) as found:
        yield found


@pytest.fixture
def desk(pooler: Pooler, settings: Any, tmp_path: Path) -> Iterator[DeskWithAQueue]:
    """Give seeded venues; every child reaches the database through the pooler."""
    url = pooler.through(environ_of("web", 1, tmp_path)["DATABASE_URL"])
    variables = {"DATABASE_URL": url, "KIMP_WORKER_THREADS": "8"}
    with running_desk(tmp_path, settings, DeskWithAQueue, **variables) as running:
        yield running


def test_every_cycle_ends_and_what_nobody_hears_is_found_by_looking(
    desk: DeskWithAQueue, pooler: Pooler
) -> None:
    person("alice", "administrator")
    desk.start(*ROLES)
    async_task("cycles.tasks.reconcile_open_calls")
    cycles = [desk.open(asset) for asset in ("XRP", "SOL", "USDT")]
    eventually(lambda: pooler.clients() > SERVERS)

    all_end(*cycles)
    eventually(lambda: Heartbeat.objects.filter(name="job:reconcile_open_calls").exists())
    assert pooler.sessions() <= SERVERS < pooler.clients(), "sessions went from hand to hand"
    assert_one_story(desk)
    told = {name: desk.times(name, "notices.off") for name in ROLES}
    assert told == {"feeder-1": 0, "initiator-1": 1, "finalizer-1": 1, "worker-1": 0}
    for name in ROLES:
        assert desk.children[name].poll() is None, desk.tail(name)
        assert desk.times(name, "database.unreachable") == 0
        assert [line for line in desk.lines(name) if line["level"] in {"error", "critical"}] == []


def test_a_notice_is_not_heard_through_it(pooler: Pooler) -> None:
    def heard(line: psycopg.Connection) -> int:
        line.execute(f"LISTEN {notices.CHANNEL}")
        notices.tell()
        return len(list(line.notifies(timeout=1.0, stop_after=1)))

    with pooler.connect() as line:
        assert heard(line) == 0
    with pooler.connect(port=connection.get_connection_params()["port"]) as line:
        assert heard(line) == 1


def test_time_outs_that_a_role_connects_with_are_refused_or_dropped(
    reachable_path: Path, transactional_db: None
) -> None:
    def limit(line: psycopg.Connection) -> str:
        row = line.execute("SHOW lock_timeout").fetchone()
        assert row is not None
        return str(row[0])

    with running_pooler(reachable_path) as pooler:
        with pooler.connect(options="-c lock_timeout=3000") as line:
            assert limit(line) == "0", "dropped"
        with limits_of_the_role(**LIMITS):
            pooler.administer("RECONNECT")
            with pooler.connect(options="-c lock_timeout=3000") as line:
                assert limit(line) == "3s", "PostgreSQL's own for the role"
        pooler.administer("SET ignore_startup_parameters = ''")
        with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
            pooler.connect(options="-c lock_timeout=3000")


def test_what_a_session_must_be_it_is_and_the_doctor_knows_the_pooler(
    pooler: Pooler, tmp_path: Path
) -> None:
    builders.desk()
    for name in ("alice", "bob", "carol"):
        person(name, "viewer")
    with limits_of_the_role(timezone="Asia/Seoul", **LIMITS):
        pooler.administer("RECONNECT")
        probe = _python(pooler, tmp_path, "-c", PROBE)
        printed, complaint = probe.communicate(timeout=60)
    assert probe.returncode == 0, complaint
    told = json.loads(printed)

    found = told["found"]
    assert found["session"] == ["OK", "UTC, read committed"]
    assert found["time-outs"][0] == "OK"
    assert found["time-outs"][1].startswith("statement_timeout 60000 ms, lock_timeout 3000 ms")
    assert found["pooler"] == ["WARN", "one that pools by transaction stands before PostgreSQL"]
    assert told["name"] == "kimp-web"
    assert told["pages"] == [200, 200]
    assert told["read"] == 3
    assert told["by_a_cursor"] == "InvalidCursorName"


def test_migrate_goes_through_a_pooler_by_session_alone(pooler: Pooler, tmp_path: Path) -> None:
    words = ("manage.py", "migrate", "--plan")
    by_transaction = _python(pooler, tmp_path / "one", *words)
    by_session = _python(pooler, tmp_path / "other", *words, by_session=True)
    _, refused = by_transaction.communicate(timeout=60)
    planned, complaint = by_session.communicate(timeout=60)
    assert (by_transaction.returncode, "names PostgreSQL itself" in refused) == (1, True)
    assert "No planned migration operations" in planned, complaint


def _python(
    pooler: Pooler, home: Path, *words: str, by_session: bool = False
) -> subprocess.Popen[str]:
    """Start a program of the web role behind the pooler."""
    given = environ_of("web", 1, home)
    url = pooler.through(given["DATABASE_URL"], by_session=by_session)
    return subprocess.Popen(
        [sys.executable, *words], cwd=PROJECT, env=given | {"DATABASE_URL": url},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
