"""The database: reachable, whole, durable, bounded in time, not full, and no pooler before it unawares."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.utils import timezone

from cycles.diagnosis.findings import Finding, amiss, doubtful, well
from cycles.services import desk
from exchanges.own_connection import is_pooled, shares_its_session
from kimp import health, postgres
from kimp.postgres_binaries import PostgresError, found

OLDEST_MAJOR = 14  # Django's own limit
FULL_PERCENT = 80
MOST_APART_SECONDS = 1.0
LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
# What a committed intent rests on: each of these, lost with the power, may send twice.
DURABLE = {
    "fsync": {"on"},
    "full_page_writes": {"on"},
    "synchronous_commit": {"on", "local", "remote_write", "remote_apply"},
}
SESSION = {"TimeZone": "UTC", "default_transaction_isolation": "read committed"}
NAMES = (*DURABLE, *SESSION, *LIMITS, "server_version", "server_version_num", "max_connections")
POOLED = (
    "nothing, if that is wanted: notices are lost, workers find what is due by their look once a second; "
    "time-outs come from PostgreSQL's ALTER ROLE alone, and migrate goes to PostgreSQL itself"
)


def of_server() -> Finding:
    """Say where the database is; an embedded one is not started for the asking."""
    if settings.DATABASES["default"]["ENGINE"] != "kimp.database":
        return well("server", "outside, by DATABASE_URL")
    try:
        named = settings.DATABASES["default"]["OPTIONS"]["embedded_programs"]
        programs = found(named=Path(named) if named else None)
        state = postgres.status(settings.KIMP_HOME)
    except PostgresError as error:
        return amiss("server", str(error), "see the ways out above, or set DATABASE_URL")
    told = f"embedded PostgreSQL {programs.major} from {shlex.quote(str(programs.folder))}"
    if not state.is_running:
        return amiss("server", f"{told} does not run", "start the desk: make up")
    return well("server", f"{told} runs on port {state.port}")


def of_database() -> Iterator[Finding]:
    """Look at everything that a session can see. Raises django.db.Error if it is not reachable."""
    told = _settings()
    yield _version(told)
    yield _durability(told)
    yield _session(told)
    yield _time_outs(told)
    yield _room(told)
    yield _role()
    yield pooling(is_pooled=is_pooled(connection), is_shared=shares_its_session(connection))
    yield _migrations()
    yield _clock()


def _settings() -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(NAMES)])
        return dict(cursor.fetchall())


def _version(told: Mapping[str, str]) -> Finding:
    major = int(told["server_version_num"]) // 10_000
    if major < OLDEST_MAJOR:
        return amiss(
            "version", told["server_version"], f"install PostgreSQL {OLDEST_MAJOR} or newer"
        )
    return well("version", f"PostgreSQL {told['server_version']}")


def _durability(told: Mapping[str, str]) -> Finding:
    loose = [f"{name} = {told[name]}" for name, good in DURABLE.items() if told[name] not in good]
    if loose:
        cure = "switch them on, also for this role and database (ALTER ROLE ... RESET ALL)"
        return amiss("durability", f"a commit may be lost: {', '.join(loose)}", cure)
    return well("durability", ", ".join(f"{name} {told[name]}" for name in DURABLE))


def _session(told: Mapping[str, str]) -> Finding:
    odd = [f"{name} = {told[name]}" for name, good in SESSION.items() if told[name] != good]
    if odd:
        wanted = ", ".join(f"{name} = {good}" for name, good in SESSION.items())
        return amiss("session", ", ".join(odd), f"the desk's sessions want {wanted}")
    return well("session", ", ".join(told[name] for name in SESSION))


def _time_outs(told: Mapping[str, str]) -> Finding:
    endless = [name for name in LIMITS if told[name] == "0"]
    if endless:
        cure = (
            "does a pooler drop the options that kimp connects with? Set them in PostgreSQL: "
            f"ALTER ROLE ... SET {endless[0]} = ..."
        )
        return amiss("time-outs", f"none is in force: {', '.join(endless)}", cure)
    return well("time-outs", ", ".join(f"{name} {told[name]} ms" for name in LIMITS))


def _room(told: Mapping[str, str]) -> Finding:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
        )
        used = int(cursor.fetchone()[0])
    most = int(told["max_connections"])
    text = f"{used} of {most} in use"
    if used * 100 > most * FULL_PERCENT:
        return doubtful(
            "connections", text, "raise max_connections, or run fewer threads and processes"
        )
    return well("connections", text)


def _role() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'"
        )
        is_replica, is_read_only = cursor.fetchone()
    if is_replica or is_read_only:
        told = "a replica" if is_replica else "read-only"
        return amiss("primary", f"this server is {told}", "point DATABASE_URL to the primary")
    return well("primary", "takes writes")


def pooling(*, is_pooled: bool, is_shared: bool) -> Finding:
    """Say whether a pooler stands between, and whether what a session sets or listens for lasts."""
    if is_shared:
        return doubtful("pooler", "one that pools by transaction stands before PostgreSQL", POOLED)
    if is_pooled:
        return well("pooler", "one that pools by session stands before PostgreSQL")
    return well("pooler", "none: this session is PostgreSQL's own")


def _migrations() -> Finding:
    (check,) = [one for one in health.readiness() if one.name == "migrations"]
    if not check.is_ok:
        return amiss("migrations", check.detail, "run manage.py migrate")
    return well("migrations", "all applied")


def _clock() -> Finding:
    began = timezone.now()
    theirs = desk.database_now()
    ended = timezone.now()
    apart = max((began - theirs).total_seconds(), (theirs - ended).total_seconds(), 0.0)
    told = f"{apart:.1f} s apart from this machine's"
    if apart > MOST_APART_SECONDS:
        cure = (
            "let time synchronisation run on both machines: leases and freshness go by both clocks"
        )
        return doubtful("clock", told, cure)
    return well("clock", told)
