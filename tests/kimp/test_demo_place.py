"""Demonstrations beside one another: each has a database and ports of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.db import connection

from kimp import sockets
from kimp.demo import place


def _exists(name: str) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname = %s", [name])
        return bool(cursor.fetchone()[0])


@pytest.fixture
def databases(transactional_db: None) -> Iterator[tuple[str, str]]:
    """Give the databases of a demonstration that was killed, and of one that begins just now."""
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    names = f"{place.PREFIX}{ended.pid}", f"{place.PREFIX}{os.getpid()}"
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"CREATE DATABASE {name}")
    yield names
    with connection.cursor() as cursor:
        for name in names:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")


def test_a_database_is_dropped_only_once_its_demonstration_is_gone(
    databases: tuple[str, str],
) -> None:
    of_the_dead, of_the_living = databases
    place.drop_left_over()
    assert (_exists(of_the_dead), _exists(of_the_living)) == (False, True)


def test_ports_are_none_that_the_system_gives_out_by_itself() -> None:
    first = sockets.free_row(12)
    assert sockets.ROWS_FROM <= first < first + 12 <= sockets.ROWS_TO
    assert all(sockets.is_free(port) for port in range(first, first + 12))
