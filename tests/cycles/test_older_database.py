"""A database that is older than the code: no role works on it, and each says what to do; a newer one is welcome."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from cycles.errors import NotMigratedError
from cycles.models import Heartbeat
from cycles.services import migrated


@pytest.fixture
def older(transactional_db: None) -> Iterator[str]:
    """Let the database not have the newest migration, and give its name."""
    recorder, name = MigrationRecorder(connection), _ours()[-1]
    recorder.record_unapplied("cycles", name)
    yield name
    recorder.record_applied("cycles", name)


@pytest.mark.parametrize("role", ["feeder", "initiator", "finalizer", "qcluster"])
def test_a_role_on_an_older_database_says_what_to_do_and_starts_nothing(
    older: str, role: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(
        "PROMETHEUS_MULTIPROC_DIR", str(tmp_path)
    )  # else qcluster starts itself anew
    with pytest.raises(CommandError, match=rf"it lacks cycles\.{older}.*run manage\.py migrate"):
        call_command(role)
    assert not Heartbeat.objects.exists()


def test_a_command_that_needs_what_is_missing_says_so_too(older: str) -> None:
    with _renamed("home", "not_there_yet"), pytest.raises(CommandError, match=older):
        call_command("halt")


@pytest.mark.parametrize(
    ("path", "table", "column"),
    [
        ("/admin/", "cycles_desk", "mode"),
        ("/admin/", "django_session", "session_data"),  # who asks is not known either
        ("/api/v1/mode/", "cycles_desk", "mode"),
        ("/api/v1/mode/", "django_session", "session_data"),
    ],
)
def test_the_web_role_answers_503_and_names_the_command(
    older: str, path: str, table: str, column: str
) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("root"))
    with _renamed(column, "not_there_yet", table=table):
        reply = client.get(path)
    assert reply.status_code == 503
    assert "manage.py migrate" in reply.content.decode()


def test_what_is_missing_is_named_and_what_is_too_new_is_not(db: None) -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_applied("cycles", "9999_of_the_next_release")
    migrated.require_migrated()
    *_, first, second = _ours()
    recorder.record_unapplied("cycles", first)
    recorder.record_unapplied("cycles", second)
    with pytest.raises(NotMigratedError, match=rf"cycles\.{first} and 1 more"):
        migrated.require_migrated()


@contextmanager
def _renamed(column: str, other: str, *, table: str = "cycles_desk") -> Iterator[None]:
    """Let the desk's row, or another table, lack a column meanwhile."""
    statement = f"ALTER TABLE {table} RENAME COLUMN {{}} TO {{}}"
    with connection.cursor() as cursor:
        cursor.execute(statement.format(column, other))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(statement.format(other, column))


def _ours() -> list[str]:
    """Name the migrations of cycles, oldest first."""
    graph = MigrationLoader(connection).graph
    (leaf,) = graph.leaf_nodes("cycles")
    return [name for app, name in graph.forwards_plan(leaf) if app == "cycles"]
