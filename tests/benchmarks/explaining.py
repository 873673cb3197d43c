"""What a statement reads and writes, told by EXPLAIN: pages and plans do not depend on the machine."""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from tests.desk import eventually

TIMES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What EXPLAIN ANALYZE saw of one statement: pages touched, in all and by each WITH, indexes used, tables scanned whole."""

    buffers: int
    parts: Mapping[str, int]
    rows: int
    wal_bytes: int
    indexes: frozenset[str]
    scans: frozenset[str]
    shape: tuple[str, ...]  # the kinds of the plan's nodes, from the top


@contextlib.contextmanager
def unhurried() -> Iterator[None]:
    """Let statements last as long as filling millions of rows takes."""
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        try:
            yield
        finally:
            cursor.execute("RESET statement_timeout")


@contextlib.contextmanager
def _seqscan(setting: str) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SHOW enable_seqscan")
        (before,) = cursor.fetchone()
        cursor.execute(f"SET enable_seqscan = {setting}")
        try:
            yield
        finally:
            cursor.execute(f"SET enable_seqscan = {before}")


def as_a_worker() -> contextlib.AbstractContextManager[None]:
    """Plan as the sessions of initiators and finalizers do."""
    return _seqscan("off")


def as_the_cluster() -> contextlib.AbstractContextManager[None]:
    """Plan as the sessions of the queue's cluster do, and any role's behind a pooler that drops settings: scans are allowed."""
    return _seqscan("on")


@contextlib.contextmanager
def unvacuumed(beginning: str = "cycles_") -> Iterator[None]:
    """Keep autovacuum off tables, by the beginning of their names: after it rows go wherever it found room, some pages more by its hour."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%%I', relname) FROM pg_class WHERE relkind = 'r' AND starts_with(relname, %s) "
            "AND relnamespace = current_schema()::regnamespace",
            [beginning],
        )
        tables = [name for (name,) in cursor.fetchall()]

    def set_to(change: str) -> None:
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} {change}")

    set_to("SET (autovacuum_enabled = off)")
    try:
        yield
    finally:
        set_to("RESET (autovacuum_enabled)")


def explained(sql: str, parameters: Sequence[Any] | None = None) -> Plan:
    """Run a statement and tell what it took; a statement that writes has written."""
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, WAL, FORMAT JSON) " + sql, parameters)
        row: Any = cursor.fetchone()
    told = row[0] if not isinstance(row[0], str) else json.loads(row[0])
    nodes = list(_nodes(told[0]["Plan"]))
    top = nodes[0]
    return Plan(
        buffers=_pages(top),
        parts={
            name.removeprefix("CTE "): _pages(node)
            for node in nodes
            if (name := node.get("Subplan Name", "")).startswith("CTE ")
        },
        rows=max(int(node["Actual Rows"]) for node in nodes),
        wal_bytes=top["WAL Bytes"],
        indexes=frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
        scans=frozenset(n["Relation Name"] for n in nodes if n["Node Type"] == "Seq Scan"),
        shape=tuple(node["Node Type"] for node in nodes),
    )


def _pages(node: dict[str, Any]) -> int:
    return int(node["Shared Hit Blocks"] + node["Shared Read Blocks"])


def await_no_snapshot() -> None:
    """Wait until no other session of this database, autovacuum's too, keeps old versions of rows: they are read past."""

    def is_free() -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"
            )
            return bool(cursor.fetchone() == (0,))

    eventually(is_free)


def undone(sql: str) -> Plan:
    """Run a statement, tell what it took, and take back what it has written.

    The time that read fewest counts: the first reads the catalogues as well, for the plans within the functions that it
    calls, and another may read past what was taken back before.
    """
    plans: list[Plan] = []
    for _ in range(TIMES):
        with transaction.atomic():
            plans.append(explained(sql))
            transaction.set_rollback(True)
    leanest = min(plans, key=lambda plan: plan.buffers)
    parts = {name: min(plan.parts.get(name, 0) for plan in plans) for name in leanest.parts}
    return replace(leanest, parts=parts)


def _nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(below for child in node.get("Plans", []) for below in _nodes(child))]


def buffers(work: Callable[[], object], *, never_whole: Collection[str] = ()) -> int:
    """Give the pages that all SELECTs of some work touch; refuses a scan of a table that is never to be read whole."""
    with CaptureQueriesContext(connection) as seen:
        work()
    texts = [q["sql"] for q in seen.captured_queries if q["sql"].startswith(("SELECT", "WITH"))]
    plans = [explained(sql) for sql in texts]
    assert plans, "nothing was read"
    assert not {name for plan in plans for name in plan.scans} & set(never_whole), texts
    return sum(plan.buffers for plan in plans)


def cpu_seconds() -> float:
    """Give the CPU time that this process and its session's server process have used: a busy machine adds none.

    NaN where the server is on another machine, or not Linux.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        row: Any = cursor.fetchone()
    try:
        fields = Path(f"/proc/{row[0]}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return math.nan
    return time.process_time() + (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def vacuumed(table: str) -> int:
    """Vacuum a table and give the pages it touched, as VACUUM itself tells."""
    told: list[str] = []
    connection.ensure_connection()
    inner: Any = connection.connection

    def note(notice: Any) -> None:
        told.append(notice.message_primary)

    inner.add_notice_handler(note)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"VACUUM (VERBOSE, PARALLEL 0) {table}")
    finally:
        inner.remove_notice_handler(note)
    usage = [line for text in told for line in text.splitlines() if "buffer usage:" in line]
    words = " ".join(usage).replace(",", "").split()
    return sum(int(n) for n, what in pairwise(words) if what in {"hits", "reads", "misses"})


def session_pages() -> int:
    """Give all pages this session has touched so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute(
            "SELECT sum(hits + reads) FROM pg_stat_get_backend_io(pg_backend_pid()) WHERE object = 'relation'"
        )
        row: Any = cursor.fetchone()
    return int(row[0])
