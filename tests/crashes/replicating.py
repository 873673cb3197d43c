"""A PostgreSQL of the test's own with a streaming standby: the primary can be lost, the standby takes its place."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from django.db import DEFAULT_DB_ALIAS, connection, connections
from psycopg.conninfo import make_conninfo

from kimp import postgres, postgres_process
from kimp.environment import load
from kimp.postgres import ConnectionInfo
from kimp.postgres_binaries import found
from kimp.postgres_connection import new_info, remember
from kimp.postgres_home import base_of
from kimp.postgres_place import chosen, reachable
from kimp.settings_database import databases
from kimp.sockets import free_port
from tests.desk import eventually

STANDBY = "standby"
WITHIN_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A primary and its standby, each with a home of its own."""

    folder: Path
    primary: ConnectionInfo
    standby: ConnectionInfo

    @property
    def url(self) -> str:
        """The URL that names both, as a desk has it; the primary of the beginning comes first."""
        user, password = self.primary.user, quote(self.primary.password, safe="")
        servers = ",".join(f"{one.host}:{one.port}" for one in (self.primary, self.standby))
        return f"postgresql://{user}:{password}@{servers}/{self.primary.database}"

    def replicate(self, *, is_synchronous: bool) -> None:
        """Let commits at the primary wait until the standby has them, or not; it streams from here on."""
        names = STANDBY if is_synchronous else ""
        with session(self.primary) as opened:
            opened.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
            opened.execute("SELECT pg_reload_conf()")
        eventually(lambda: self.streams_as() == ("sync" if is_synchronous else "async"))

    def streams_as(self) -> str:
        """Say how the primary's commits reach the standby: sync, async, or not at all."""
        with session(self.primary) as opened:
            row = opened.execute(
                "SELECT sync_state FROM pg_stat_replication WHERE application_name = %s "
                "AND state = 'streaming'",
                [STANDBY],
            ).fetchone()
        return row[0] if row else ""

    def cut_off(self) -> None:
        """Let nothing of the primary reach the standby any more."""
        with session(self.standby) as opened:
            opened.execute("ALTER SYSTEM SET primary_conninfo = ''")
            opened.execute("SELECT pg_reload_conf()")
        eventually(lambda: self.streams_as() == "")

    def lose_primary(self) -> None:
        """Kill every process of the primary, as the loss of its machine would."""
        kill_server(self.folder / "primary")

    def promote(self) -> None:
        """Make the standby the primary, as who watches over the two would."""
        with session(self.standby) as opened:
            row = opened.execute("SELECT pg_promote(wait => true)").fetchone()
        assert row == (True,)


def kill_server(home: Path) -> None:
    """Kill every process of a server at once."""
    data = chosen(home / "postgres").data
    pid = postgres_process.postmaster_pid(data)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    for backend in postgres_process.survivors(data):
        _kill(backend)
    eventually(lambda: not postgres.status(home).is_running)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def session(info: ConnectionInfo) -> psycopg.Connection:
    return psycopg.connect(info.url, autocommit=True)


@contextmanager
def running_alone(home: Path) -> Iterator[ConnectionInfo]:
    """Run one with the schema of the test's database; this process works on it."""
    info = postgres.ensure_running(home)
    try:
        _copy_schema(info)
        with working_on(info.url):
            yield info
    finally:
        postgres.release(home)


@contextmanager
def running_pair(folder: Path) -> Iterator[Pair]:
    """Run both, with the schema of the test's database; this process works through the URL of both."""
    primary = postgres.ensure_running(folder / "primary")
    try:
        _copy_schema(primary)
        pair = Pair(folder=folder, primary=primary, standby=_start_standby(folder, primary))
        with working_on(pair.url):
            yield pair
    finally:
        for name in ("primary", "standby"):
            postgres.release(folder / name)


def _copy_schema(primary: ConnectionInfo) -> None:
    """Copy the test's database, as the migrations have made it."""
    dump = _program("pg_dump", connection.get_connection_params(), "--format=custom")
    restore = ("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={primary.database}")
    place = {"host": primary.host, "port": primary.port, "user": primary.user}
    _program(
        restore[0], place | {"password": primary.password, "dbname": ""}, *restore[1:], told=dump
    )


def _program(
    name: str, server: dict[str, Any], *arguments: str, told: bytes | None = None
) -> bytes:
    """Run one of PostgreSQL's programs against a server; gives what it says."""
    variables = {
        "PGHOST": server["host"], "PGPORT": str(server["port"]), "PGUSER": server["user"],
        "PGPASSWORD": server["password"], "PGDATABASE": server["dbname"],
    }  # fmt: skip
    reply = subprocess.run(
        [found().folder / name, *arguments], env={**os.environ, **variables}, input=told,
        capture_output=True, check=True, timeout=WITHIN_SECONDS,
    )  # fmt: skip
    return reply.stdout


def _start_standby(folder: Path, primary: ConnectionInfo) -> ConnectionInfo:
    """Take a base backup of the primary, and let it stream what follows."""
    base_backup(folder / "standby", primary, "--write-recovery-conf")
    return _start_copy(folder / "standby", primary)


def base_backup(home: Path, primary: ConnectionInfo, *options: str) -> Path:
    """Take a base backup of the primary to be the data of a home; gives their folder."""
    place = chosen(base_of(home))
    to_primary = make_conninfo(
        host=primary.host, port=primary.port, user=primary.user, password=primary.password,
        application_name=STANDBY,
    )  # fmt: skip
    subprocess.run(
        [
            reachable(found(), place) / "pg_basebackup", f"--dbname={to_primary}",
            f"--pgdata={place.data}", "--checkpoint=fast", "--no-sync", *options,
        ],
        env={"PATH": os.defpath, "LC_ALL": "C"}, check=True, timeout=WITHIN_SECONDS,
        **place.identity,
    )  # fmt: skip
    return place.data


def snapshot(home: Path, files: Path) -> Path:
    """Copy a server's files as they are to be the data of a home; gives their folder."""
    data = chosen(base_of(home)).data
    subprocess.run(["cp", "--archive", files, data], check=True, timeout=WITHIN_SECONDS)
    (data / "postmaster.pid").unlink(missing_ok=True)
    return data


def _start_copy(home: Path, origin: ConnectionInfo) -> ConnectionInfo:
    remember(base_of(home), new_info(port=free_port(), password=origin.password))
    return postgres.ensure_running(home)


@contextmanager
def running_copy(home: Path, origin: ConnectionInfo) -> Iterator[None]:
    """Run a server on copied files; this process works on it."""
    try:
        with working_on(_start_copy(home, origin).url):
            yield
    finally:
        postgres.release(home)


@contextmanager
def working_on(url: str) -> Iterator[None]:
    """Let this process reach the database as a role with this URL would."""
    own = connections.settings[DEFAULT_DB_ALIAS]
    env = load(Path("/nowhere"), {"KIMP_ENVIRONMENT": "test", "DATABASE_URL": url})
    config = connections.configure_settings(databases(env, Path("/nowhere")))[DEFAULT_DB_ALIAS]
    connection.close()
    connections.settings[DEFAULT_DB_ALIAS] = config
    kept = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = connections.create_connection(DEFAULT_DB_ALIAS)
    try:
        yield
    finally:
        connection.close()
        connections.settings[DEFAULT_DB_ALIAS] = own
        connections[DEFAULT_DB_ALIAS] = kept
