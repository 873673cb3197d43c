"""manage.py migrate beside a desk at work: it gives way, takes its time where that harms nobody, and can begin anew."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor
from psycopg.conninfo import make_conninfo

from cycles.domain.words import Role
from cycles.services.presence import beat
from kimp.management.commands.migrate import ALONE
from tests.desk import eventually
from tests.kimp.processes import PROJECT

pytestmark = [pytest.mark.concurrency, pytest.mark.django_db(transaction=True)]

MIGRATION = """
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models

class Migration(migrations.Migration):
    atomic = {atomic}
    dependencies = [("cycles", "{leaf}")]
    operations = [{operation}]
"""
COLUMN = "migrations.AddField('cycle', 'next', models.TextField(db_default=''))"
INDEX = "AddIndexConcurrently('cycle', models.Index(fields=['started_at'], name='cycle_next'))"
OF_THE_CODE = "migrations.AddField('heartbeat', 'next', models.TextField(default=''))"
OF_THE_DATABASE = "migrations.AddField('heartbeat', 'next', models.TextField(db_default=''))"
LONG = "migrations.RunSQL('SELECT pg_sleep(60)')"
READ = "SELECT count(*) FROM cycles_cycle"
Add = Callable[..., str]


@pytest.fixture
def leaf() -> str:
    """Name the newest migration of cycles."""
    ((_, name),) = _executor().loader.graph.leaf_nodes("cycles")
    return str(name)


@pytest.fixture
def add(leaf: str, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Add]:
    """Add a migration after the newest one; take it back afterwards."""
    folder = tmp_path / f"migrations_{tmp_path.name}"
    shutil.copytree(PROJECT / "cycles" / "migrations", folder)
    monkeypatch.syspath_prepend(tmp_path)
    settings.MIGRATION_MODULES = {"cycles": folder.name}

    def add(operation: str, *, atomic: bool = True) -> str:
        text = MIGRATION.format(atomic=atomic, leaf=leaf, operation=operation)
        (folder / "9999_next.py").write_text(text, "utf-8")
        return "9999_next"

    yield add
    call_command("migrate", "cycles", leaf, verbosity=0)


@contextmanager
def session(name: str, **options: Any) -> Iterator[psycopg.Connection[Any]]:
    """Open a session of somebody else's, inside a transaction."""
    params = connection.get_connection_params()
    wanted = {key: params[key] for key in ("host", "port", "user", "password", "dbname")}
    with psycopg.connect(make_conninfo(**wanted, application_name=name), **options) as other:
        yield other


def test_a_migration_behind_a_long_transaction_gives_way_and_comes_through(add: Add) -> None:
    add(COLUMN)
    served: list[Any] = []
    reading = threading.Thread(target=_read_behind_the_migration, args=[_limits(), served])
    reading.start()
    with session("a-report") as report:
        report.execute(READ)

        def gave_way(text: str) -> None:
            assert "a-report (pid" in text
            reading.join(1)
            if served:
                report.rollback()

        call_command("migrate", "--patience=30", verbosity=0, stderr=_Heard(gave_way))

        assert report.execute("SELECT next FROM cycles_cycle").fetchall() == []
    assert served == [(0,)], "a worker that had to wait for it was served before its own limit"


def test_without_a_limit_everybody_would_wait_behind_the_migration() -> None:
    with session("a-report") as report, session("a-migration") as migration:
        report.execute(READ)
        alter = "ALTER TABLE cycles_cycle ADD COLUMN next text"
        altering = threading.Thread(target=migration.execute, args=[alter])
        altering.start()
        with session("a-worker", autocommit=True) as worker:
            eventually(lambda: _waits(worker, "a-migration", "relation"))
            worker.execute("SET lock_timeout = '100ms'")
            with pytest.raises(psycopg.errors.LockNotAvailable):
                worker.execute(READ)
        report.rollback()
        altering.join()
        migration.rollback()


def test_when_its_patience_ends_it_names_who_holds_the_lock_and_leaves_all_as_it_was(
    add: Add,
) -> None:
    name = add(COLUMN)
    before = _limits()
    with session("a-report") as report:
        report.execute(READ)
        with pytest.raises(CommandError, match=r"nothing was changed.*a-report \(pid"):
            call_command("migrate", "--patience=0", verbosity=0)
    assert ("cycles", name) not in _executor().loader.applied_migrations
    assert _limits() == before


def test_an_index_beside_the_work_outlasts_every_limit_of_the_role(
    add: Add, short_limits: None
) -> None:
    add(INDEX, atomic=False)
    with session("a-report") as report:
        report.execute(READ)
        report.execute("DECLARE rows CURSOR FOR " + READ)  # it keeps its snapshot
        releasing = threading.Thread(target=_release_when_waited_for, args=[report])
        releasing.start()
        call_command("migrate", verbosity=0)
        releasing.join()
    assert _is_valid("cycle_next")


def test_an_index_that_was_cut_short_is_built_anew(add: Add, short_limits: None) -> None:
    name = add(INDEX, atomic=False)
    with session("a-report") as report:
        report.execute("DECLARE rows CURSOR FOR " + READ)
        with pytest.raises(OperationalError):
            _executor().migrate([("cycles", name)])  # as Django does it
    assert not _is_valid("cycle_next")
    with pytest.raises(ProgrammingError, match="already exists"):
        _executor().migrate([("cycles", name)])

    call_command("migrate", verbosity=0)

    assert _is_valid("cycle_next")


def test_a_statement_that_keeps_tables_for_too_long_is_taken_back(
    add: Add, short_limits: None
) -> None:
    add(LONG)
    with pytest.raises(CommandError, match="KIMP_STATEMENT_SECONDS"):
        call_command("migrate", verbosity=0)
    add(COLUMN)  # nothing that could not be taken back stays behind


def test_two_do_not_migrate_at_a_time(add: Add) -> None:
    name = add(COLUMN)
    with session("another-host") as other:
        other.execute("SELECT pg_advisory_lock(%s)", [ALONE])
        with pytest.raises(CommandError, match=r"another manage\.py migrate"):
            call_command("migrate", "--patience=0", verbosity=0)
        assert ("cycles", name) not in _executor().loader.applied_migrations
        other.execute("SELECT pg_advisory_unlock(%s)", [ALONE])
        call_command("migrate", "--patience=0", verbosity=0)
    assert ("cycles", name) in _executor().loader.applied_migrations


@pytest.mark.parametrize(
    ("operation", "bears"),
    [
        (OF_THE_DATABASE, nullcontext()),
        (OF_THE_CODE, pytest.raises(IntegrityError, match=r"null value in column .next.")),
    ],
)
def test_old_code_writes_beside_a_default_of_the_database_not_beside_one_of_the_code(
    add: Add, operation: str, bears: AbstractContextManager[Any]
) -> None:
    add(operation)
    call_command("migrate", verbosity=0)
    with bears:
        beat("initiator-old", Role.INITIATOR)


@pytest.fixture
def short_limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give this role's sessions no patience at all."""
    options = connection.settings_dict["OPTIONS"]
    with monkeypatch.context() as patch:
        patch.setitem(options, "options", "-c lock_timeout=100 -c statement_timeout=300")
        connection.close()
        yield
    connection.close()


class _Heard(io.StringIO):
    """A stream that acts on what is written to it."""

    def __init__(self, hear: Callable[[str], None]) -> None:
        super().__init__()
        self._hear = hear

    def write(self, text: str) -> int:
        if "gave way" in text:
            self._hear(text)
        return super().write(text)


def _read_behind_the_migration(limits: Mapping[str, str], served: list[Any]) -> None:
    """Read, with a worker's limit, what a migration waits for; then come after it."""
    with session("a-worker", autocommit=True) as worker:
        worker.execute(f"SET lock_timeout = {limits['lock_timeout']}")
        eventually(lambda: _waits(worker, "kimp-web", "relation"))
        with suppress(psycopg.errors.LockNotAvailable):
            served.append(worker.execute(READ).fetchone())


def _release_when_waited_for(report: psycopg.Connection[Any]) -> None:
    """End a transaction once an index has waited for it longer than the role's limits."""
    with session("a-watcher", autocommit=True) as watcher:
        eventually(lambda: _waits(watcher, "kimp-web", "virtualxid", seconds=0.5))
    report.rollback()


def _waits(
    watcher: psycopg.Connection[Any], application: str, event: str, seconds: float = 0
) -> bool:
    row = watcher.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND application_name = %s AND wait_event = %s "
        "AND state_change < clock_timestamp() - make_interval(secs => %s)",
        [application, event, seconds],
    ).fetchone()
    return bool(row and row[0])


def _executor() -> MigrationExecutor:
    return MigrationExecutor(connection)


def _limits() -> dict[str, str]:
    """Give the time-outs of this role's session."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, setting FROM pg_settings WHERE name LIKE '%%_timeout' ORDER BY name"
        )
        return dict(cursor.fetchall())


def _is_valid(index: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(%s)", [index]
        )
        (found,) = cursor.fetchall()
        return bool(found[0])
