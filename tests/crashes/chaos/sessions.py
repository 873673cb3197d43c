"""What others do to the desk's database: sessions that keep rows, deadlocks, servers that go and come back."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from django.db import connection

from cycles.services.locking import MODE_LOCK
from kimp import postgres
from tests.desk import eventually

NAME = "kimp-chaos"
LONGER_THAN_LOCK_TIMEOUT = 3.6
POLL_SECONDS = 0.05
WAITING = (
    "SELECT pid FROM pg_stat_activity WHERE pg_backend_pid() = ANY(pg_blocking_pids(pid)) "
    "AND wait_event_type = 'Lock'"
)
ROWS = {
    "cycles": "SELECT id FROM cycles_cycle WHERE ended_at IS NULL FOR UPDATE",
    "accounts": "SELECT id FROM cycles_account WHERE owner = 'DESK' ORDER BY id FOR UPDATE",
    "mode": f"SELECT pg_advisory_xact_lock({MODE_LOCK})",
}
ROWS_AGAINST_ORDER = "SELECT id FROM cycles_cycle WHERE ended_at IS NULL ORDER BY id FOR UPDATE"


@dataclass
class Sessions:
    """Sessions of ours in the desk's database, each on a thread; counts what came of them."""

    seen: Counter[str] = field(default_factory=Counter)
    _threads: list[threading.Thread] = field(default_factory=list)

    def keep(self, what: str) -> None:
        """Keep rows for longer than anybody waits for a lock."""
        self._begin(self._keep, ROWS[what], LONGER_THAN_LOCK_TIMEOUT)

    def cross(self) -> None:
        """Lock accounts, then cycles: the order in which nobody may, against those who do it right."""
        self._begin(self._cross, "", LONGER_THAN_LOCK_TIMEOUT)

    def end(self) -> None:
        """Wait for those that are left: each ends by itself."""
        for thread in self._threads:
            thread.join()

    def _begin(self, work: object, statement: str, seconds: float) -> None:
        thread = threading.Thread(target=self._guarded, args=(work, statement, seconds))
        thread.start()
        self._threads.append(thread)

    def _guarded(self, work: object, statement: str, seconds: float) -> None:
        try:
            with _session() as mine:
                work(mine, statement, seconds)  # type: ignore[operator]
        except psycopg.errors.DeadlockDetected:
            self.seen["deadlocks lost by us"] += 1
        except psycopg.errors.LockNotAvailable:
            self.seen["lock time-outs of ours"] += 1
        except psycopg.OperationalError:
            self.seen["sessions of ours that were cut"] += 1

    def _keep(self, mine: psycopg.Connection, statement: str, seconds: float) -> None:
        mine.execute(statement)
        self.seen["sessions kept waiting"] += len(_waiting_for(mine, seconds))

    def _cross(self, mine: psycopg.Connection, _statement: str, seconds: float) -> None:
        mine.execute(ROWS["accounts"])
        if _waiting_for(mine, seconds, is_enough=True):
            mine.execute(ROWS_AGAINST_ORDER)  # they hold a cycle and wait for us: now we for them


def _session() -> psycopg.Connection:
    params = connection.get_connection_params()
    told = {name: params[name] for name in ("host", "port", "user", "password", "dbname")}
    mine = psycopg.connect(**told, application_name=NAME)
    mine.execute("SET lock_timeout = '8s'")
    mine.commit()
    return mine


def _waiting_for(mine: psycopg.Connection, seconds: float, *, is_enough: bool = False) -> set[int]:
    """Give the sessions that wait for this one, within so many seconds; `is_enough`: the first will do."""
    found: set[int] = set()
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at and not (found and is_enough):
        found |= {row[0] for row in mine.execute(WAITING)}
        time.sleep(POLL_SECONDS)
    return found


def cut_all() -> int:
    """Let the server drop every other connection to this database: the desk's, and sessions of ours."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return int(cursor.fetchone()[0])


def restart_server(home: Path, sign: signal.Signals) -> None:
    """End the embedded server of a home (SIGQUIT: it recovers from a crash) and start it again."""
    connection.close()
    before = postgres.status(home)
    assert before.pid is not None
    os.kill(before.pid, sign)
    eventually(lambda: not _is_alive(before.pid))
    after = postgres.ensure_running(home)
    assert after.port == before.port, "the desk's processes would not find it"


def _is_alive(pid: int | None) -> bool:
    """Say whether a server runs; this process is its parent, and must not leave it a zombie."""
    assert pid is not None
    for child in postgres._children:
        child.poll()
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def said_by_server(home: Path) -> dict[str, int]:
    """Count what the server's own log tells."""
    text = (home / "postgres" / "server.log").read_text("utf-8", "replace")
    return {
        name: text.count(words)
        for name, words in {
            "deadlocks": "ERROR:  deadlock detected",
            "lock time-outs": "ERROR:  canceling statement due to lock timeout",
            "recoveries from a crash": "database system was not properly shut down",
            "connections terminated": "terminating connection due to administrator command",
        }.items()
    }
