"""Embedded servers for tests: one with something in its database, and how none is left over."""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg

from kimp import postgres


def remove(home: Path) -> None:
    """Stop the server, and remove what root's run has put outside of a closed folder."""
    postgres.release(home)
    postgres.stop(home)
    remove_outside(home)


def remove_outside(home: Path) -> None:
    location = home / "postgres" / "location"
    if location.exists():
        shutil.rmtree(location.read_text("utf-8"), ignore_errors=True)


def with_a_table(home: Path) -> postgres.ConnectionInfo:
    """Start a server, and leave something in its database."""
    info = postgres.ensure_running(home)
    with psycopg.connect(info.url, autocommit=True) as connection:
        connection.execute("CREATE TABLE of_the_first (n int)")
    return info


def has_it(info: postgres.ConnectionInfo) -> bool:
    with psycopg.connect(info.url) as connection:
        row = connection.execute("SELECT to_regclass('of_the_first') IS NOT NULL").fetchone()
    return row == (True,)
