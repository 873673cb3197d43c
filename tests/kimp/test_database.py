"""The embedded server serves the suite, with the time-outs of the role."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.db import connection

from kimp.environment import load
from kimp.settings_database import databases

_PROJECT = Path(__file__).resolve().parents[2]
_OUTLIVES_THE_SERVER = """
import os, signal, time, django
django.setup()
from django.conf import settings
from django.db import connection
from kimp import postgres
with connection.cursor() as cursor:
    cursor.execute("SELECT 1")
os.kill(postgres.status(settings.KIMP_HOME).pid, signal.SIGKILL)
while postgres.status(settings.KIMP_HOME).is_running:
    time.sleep(0.02)
connection.close()
with connection.cursor() as cursor:
    cursor.execute("SELECT 2")
    print(cursor.fetchone()[0])
"""


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("application_name", "kimp-web"),
        ("lock_timeout", "3s"),
        ("statement_timeout", "15s"),
        ("idle_in_transaction_session_timeout", "5s"),
        ("TimeZone", "UTC"),
    ],
)
def test_session_settings_of_the_role(setting: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting(%s)", [setting])
        assert cursor.fetchone() == (value,)


@pytest.mark.parametrize(
    ("role", "goes_by_index"), [("initiator", True), ("finalizer", True), ("web", False)]
)
def test_a_worker_plans_by_index_however_small_a_table_is(
    tmp_path: Path, role: str, goes_by_index: bool
) -> None:
    env = load(tmp_path, {"KIMP_ENVIRONMENT": "test", "KIMP_ROLE": role})
    options = databases(env, tmp_path)["default"]["OPTIONS"]["options"]
    assert ("-c enable_seqscan=off" in options) is goes_by_index


@pytest.mark.parametrize(
    ("servers", "hosts", "ports", "wanted"),
    [
        ("one:5433", "one", 5433, None),
        ("one,two:5433,three", "one,two,three", "5432,5433,5432", "read-write"),
        ("[::1]:5433,[::2]", "::1,::2", "5433,5432", "read-write"),
    ],
)
def test_of_several_servers_the_one_that_takes_writes_is_wanted(
    tmp_path: Path, servers: str, hosts: str, ports: int | str, wanted: str | None
) -> None:
    url = f"postgresql://kimp:p%2Cw%40@{servers}/kimp"
    env = load(tmp_path, {"KIMP_ENVIRONMENT": "test", "DATABASE_URL": url})
    found = databases(env, tmp_path)["default"]
    assert (found["HOST"], found["PORT"], found["PASSWORD"]) == (hosts, ports, "p,w@")
    assert found["OPTIONS"].get("target_session_attrs") == wanted


def test_what_the_url_says_of_the_session_stays(tmp_path: Path) -> None:
    url = "postgresql://kimp:pw@one,two/kimp?target_session_attrs=primary"
    env = load(tmp_path, {"KIMP_ENVIRONMENT": "test", "DATABASE_URL": url})
    assert databases(env, tmp_path)["default"]["OPTIONS"]["target_session_attrs"] == "primary"


def run(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python over an embedded server of its own."""
    environment = {**os.environ, "KIMP_HOME": str(home)}
    environment |= {"KIMP_ENVIRONMENT": "test", "DJANGO_SETTINGS_MODULE": "kimp.settings"}
    environment.pop("DATABASE_URL", None)
    return subprocess.run(
        [sys.executable, *words],
        cwd=_PROJECT, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.processes
def test_a_shell_of_the_database_starts_the_server_and_finds_its_program(
    reachable_path: Path,
) -> None:
    reply = run(reachable_path, "manage.py", "dbshell", "--", "-Atc", "SELECT current_user")
    assert (reply.stdout.strip(), reply.returncode) == ("kimp", 0), reply.stderr


@pytest.mark.processes
def test_a_process_starts_a_killed_server_again(reachable_path: Path) -> None:
    reply = run(reachable_path, "-c", _OUTLIVES_THE_SERVER)
    assert (reply.stdout.strip(), reply.returncode) == ("2", 0), reply.stderr
