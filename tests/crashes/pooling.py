"""A PgBouncer of the test's own before the test's database: by transaction, and by session under a second name."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from kimp.postgres_place import Place, chosen, own
from kimp.sockets import free_port, is_free
from tests.desk import eventually

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
SERVERS = 4  # sessions of PostgreSQL that everybody shares
BY_SESSION = "_by_session"
CONFIGURATION = """
[databases]
{database} = host={host} port={server} dbname={database}
{database}{by_session} = host={host} port={server} dbname={database} pool_mode=session
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = {users}
admin_users = {user}
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 300
ignore_startup_parameters = options
"""


@dataclass(frozen=True, kw_only=True)
class Pooler:
    """Where it listens, and its log."""

    port: int
    log: Path

    def through(self, url: str, *, by_session: bool = False) -> str:
        """Lead the URL of the database through it."""
        head, _, name = url.rpartition("/")
        return f"{head.rpartition(':')[0]}:{self.port}/{name}{BY_SESSION if by_session else ''}"

    def connect(self, **options: Any) -> psycopg.Connection:
        """Connect through it."""
        return psycopg.connect(**_place() | {"port": self.port} | options, autocommit=True)

    def administer(self, statement: str) -> list[dict[str, Any]]:
        """Say something to its console."""
        with self.connect(dbname="pgbouncer") as console:
            cursor = console.execute(statement)
            names = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall() if names else []
        return [dict(zip(names, row, strict=True)) for row in rows]

    def sessions(self) -> int:
        """Count the sessions of PostgreSQL that it holds."""
        return len(self.administer("SHOW SERVERS"))

    def clients(self) -> int:
        """Count who is connected to it for the test's database."""
        rows = self.administer("SHOW CLIENTS")
        return sum(row["database"] == _place()["dbname"] for row in rows)


def _place() -> dict[str, Any]:
    params = connection.get_connection_params()
    return {name: params[name] for name in ("host", "port", "user", "password", "dbname")}


@contextmanager
def running_pooler(folder: Path) -> Iterator[Pooler]:
    """Run one as the user of the embedded server: it refuses to be root."""
    place = chosen(folder)
    pooler = Pooler(port=free_port(), log=folder / "pgbouncer.log")
    with pooler.log.open("wb") as log:
        child = subprocess.Popen(
            [str(PROGRAM), _configured(place, pooler.port)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            **place.identity,
        )  # fmt: skip
    try:
        eventually(lambda: child.poll() is not None or not is_free(pooler.port))
        assert child.poll() is None, pooler.log.read_text()
        yield pooler
    finally:
        child.send_signal(signal.SIGINT)
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _configured(place: Place, port: int) -> Path:
    """Write its configuration and its list of users, for its own user's eyes."""
    to = _place()
    users, file = place.folder / "users.txt", place.folder / "pgbouncer.ini"
    told = {users: f'"{to["user"]}" "{to["password"]}"\n'}
    told[file] = CONFIGURATION.format(
        database=to["dbname"], by_session=BY_SESSION, host=to["host"], server=to["port"],
        user=to["user"], users=users, port=port, size=SERVERS,
    )  # fmt: skip
    for path, text in told.items():
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")
        own(place, path)
    return file


@contextmanager
def limits_of_the_role(**values: str) -> Iterator[None]:
    """Let PostgreSQL set time-outs for the role, as docs/scaling.md says."""
    to = _place()
    whom = f'ALTER ROLE "{to["user"]}" IN DATABASE "{to["dbname"]}"'
    with connection.cursor() as cursor:
        for name, value in values.items():
            cursor.execute(f"{whom} SET {name} = %s", [value])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"{whom} RESET ALL")
