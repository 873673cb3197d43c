"""Where a demonstration runs: a database and ports of its own, gone when it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import LiteralString
from urllib.parse import quote

from django.db import connection
from psycopg import sql

from kimp.process_table import look_up
from kimp.sockets import free_row

PREFIX = "kimp_demo_"
PORTS_WANTED = 8
SIMULATOR_PORTS = 4  # control and three venues


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The demonstration's own database and a run of free ports on loopback."""

    database_url: str
    control_port: int
    role_ports: tuple[int, ...]


@contextmanager
def own_place() -> Iterator[Place]:
    """Make a database beside the desk's own and find free ports; drop the database afterwards."""
    name = f"{PREFIX}{os.getpid()}"
    drop_left_over()
    about_database("CREATE DATABASE {}", name)
    try:
        control = free_row(SIMULATOR_PORTS + PORTS_WANTED)
        roles = range(control + SIMULATOR_PORTS, control + SIMULATOR_PORTS + PORTS_WANTED)
        yield Place(database_url=_url(name), control_port=control, role_ports=tuple(roles))
    finally:
        about_database("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)
        connection.close()


def drop_left_over() -> None:
    """Drop databases of demonstrations that were killed: nobody is connected, and no process has their number."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT datname FROM pg_database d WHERE starts_with(datname, %s) AND NOT EXISTS "
            "(SELECT 1 FROM pg_stat_activity a WHERE a.datname = d.datname)",
            [PREFIX],
        )
        names = [row[0] for row in cursor.fetchall()]
    for name in names:
        number = name.removeprefix(PREFIX)
        if number.isdigit() and look_up(int(number)) is not None:
            continue  # it begins just now
        about_database("DROP DATABASE IF EXISTS {}", name)


def about_database(statement: LiteralString, name: str) -> None:
    """Make or drop a whole database, however long a slow disk takes for its files."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        (before,) = cursor.fetchone()
        cursor.execute("SET statement_timeout = 0")
        try:
            cursor.execute(sql.SQL(statement).format(sql.Identifier(name)))
        finally:
            cursor.execute("SELECT set_config('statement_timeout', %s, false)", [before])


def _url(name: str) -> str:
    """Write the address of a database on the server we are connected to."""
    params = connection.get_connection_params()
    user, password = (
        quote(str(params.get("user", "")), ""),
        quote(str(params.get("password", "")), ""),
    )
    host, port = params.get("host") or "127.0.0.1", params.get("port") or 5432
    return f"postgresql://{user}:{password}@{host}:{port}/{name}"
