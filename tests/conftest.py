"""Fixtures of the whole suite: the embedded server is held until the last test has run."""

from __future__ import annotations

import gc
import re
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import TransactionTestCase
from django.utils import translation
from psycopg import sql
from pytest_django import DjangoDbBlocker

from exchanges import registry
from kimp import postgres
from kimp.process_table import look_up
from tests.tables import empty_tables
from tests.writing_alone import watched

# What they share (a browser, a model explored whole, clients of others) is made once, in the worker that runs all of a file.
TOGETHER = {"browser", "model", "oracle"}


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """Hold the server before databases are made, one per xdist worker."""
    if settings.DATABASES["default"]["ENGINE"] == "kimp.database":
        info = postgres.ensure_running(settings.KIMP_HOME)
        _drop_databases_of_dead_runs(info.url)


def _drop_databases_of_dead_runs(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        rows = connection.execute("SELECT datname FROM pg_database").fetchall()
        for (name,) in rows:
            run = re.fullmatch(r"test_kimp_(\d+)(_gw\d+)?(_restored|_procrastinate|_dbos)?", name)
            if run and look_up(int(run[1])) is None:
                statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
                connection.execute(statement.format(sql.Identifier(name)))


@pytest.fixture(scope="session", autouse=True)
def _server_is_given_back() -> Iterator[None]:
    """Stop the embedded server with the last process of the run that used it."""
    yield
    if settings.DATABASES["default"]["ENGINE"] == "kimp.database":
        postgres.release(settings.KIMP_HOME)


OTHERS = """SELECT pid, application_name, state, query FROM pg_stat_activity WHERE datname = current_database()
             AND backend_type = 'client backend' AND pid <> pg_backend_pid()"""
CUT_OTHERS = f"SELECT application_name, state, query, pg_terminate_backend(pid, 5000) FROM ({OTHERS}) AS others"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """Let the database be dropped: end what threads of this process keep there; name a process that was left behind."""
    yield
    registry.forget()
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        for _ in range(30):
            cursor.execute(OTHERS)
            if not cursor.fetchall():
                return
            time.sleep(0.1)
        cursor.execute("SHOW application_name")
        (own,) = cursor.fetchone()
        cursor.execute(CUT_OTHERS)
        left = [row for row in cursor.fetchall() if row[0] != own]
    assert not left, f"processes that tests began still work in their database: {left}"


@pytest.fixture(autouse=True)
def _each_test_begins_in_english() -> Iterator[None]:
    """A page that was asked for in Korean leaves its thread in Korean."""
    yield
    translation.deactivate()


@pytest.fixture(scope="session", autouse=True)
def _tables_are_emptied_quickly() -> Iterator[None]:
    """Delete what a transactional test left, table by table that has something, but for what says which models there are.

    Django's way truncates all of them, most of which are empty, and makes the rows of those two again.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda _test: empty_tables())
        yield


@pytest.fixture(scope="session")
def strays() -> Iterator[list[str]]:
    """Watch what commits by itself, from the first test on."""
    with watched() as strays:
        yield strays


@pytest.fixture(autouse=True)
def _nothing_commits_by_itself_unknown(strays: list[str]) -> Iterator[None]:
    """Fail the test that came by a place which `tests/meta/alone_proofs.py` does not know."""
    yield
    found = sorted(set(strays))
    strays.clear()
    assert not found, f"say in tests/meta/alone_proofs.py why it is harmless: {found}"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Spare the collector the million objects that collecting makes: they live as long as the run."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture
def reachable_path() -> Iterator[Path]:
    """Give a temporary folder that the server's user can reach too, also in root's run."""
    with tempfile.TemporaryDirectory(prefix="kimp-test-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture(scope="session", autouse=True)
def _interrupts_are_heard() -> None:
    """Undo an inherited `ignore`: started in the background of a script, no child would hear Ctrl-C."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits for processes: others fill both cores meanwhile, and nobody waits at the end.

    Transactional tests stay the last, as pytest-django has them: they leave no rows of migrations. Of those the
    files with processes take turns, so that some compute while some wait.
    """
    several = Counter(item.path for item in items)
    seen: Counter[Path] = Counter()

    def place(item: pytest.Item) -> tuple[bool, bool, float]:
        is_late = _is_transactional(item)
        has_processes = any(item.get_closest_marker(name) for name in ("processes", "browser"))
        seen[item.path] += 1
        turn = (seen[item.path] - 0.5) / several[item.path] if is_late and has_processes else 0.0
        return is_late, not has_processes, turn

    items.sort(key=place)
    for item in items:
        if item.path.parent.name in TOGETHER:
            item.add_marker(pytest.mark.xdist_group(item.path.stem))


def _is_transactional(item: pytest.Item) -> bool:
    marker = item.get_closest_marker("django_db")
    by_marker = marker is not None and bool(marker.kwargs.get("transaction"))
    return by_marker or "transactional_db" in getattr(item, "fixturenames", ())
