"""What a benchmark did, whatever it measures: rows that were written, by table, and its own process's statements."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from django.db import connection

from tests.benchmarks.findings import Findings
from tests.benchmarks.meter import Meter

KINDS = ("inserted", "updated", "deleted")
# Of all sessions; what was taken back counts too. A table that was dropped meanwhile tells nothing any more.
WRITTEN = """
SELECT relname, n_tup_ins, n_tup_upd, n_tup_del FROM pg_stat_user_tables
 WHERE schemaname = current_schema() AND relname ~ '^(cycles|exchanges|bench)_'"""
# What decides how much a commit, a page or a plan costs.
SETTINGS = (
    "fsync", "synchronous_commit", "full_page_writes", "wal_level", "wal_sync_method", "commit_delay",
    "max_wal_size", "checkpoint_timeout", "shared_buffers", "effective_cache_size", "work_mem",
    "maintenance_work_mem", "max_connections", "random_page_cost", "jit", "plan_cache_mode", "autovacuum",
)  # fmt: skip


def told(run: Callable[[], Findings]) -> Findings:
    """Run a benchmark, and say beside its own fingerprint what it did; of other processes only what they wrote."""
    meter, before = Meter(), _written()
    with connection.execute_wrapper(meter):
        found = run()
    done = {
        "rows written": {
            table: {kind: more for kind, more in zip(KINDS, counts, strict=True) if more}
            for table, counts in _more(before, _written()).items()
        },
        "statements of the process that measures": dict(sorted(meter.by_statement.items())),
    }
    return replace(found, work=found.work | done)


def settings() -> dict[str, str]:
    """Give the server's settings as they are for a new session of ours, with their units."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT s, current_setting(s) FROM unnest(%s::text[]) AS s", [[*SETTINGS]])
        return dict(cursor.fetchall())


def _written() -> dict[str, tuple[int, ...]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(WRITTEN)
        return {table: counts for table, *counts in cursor.fetchall()}


def _more(
    before: dict[str, tuple[int, ...]], after: dict[str, tuple[int, ...]]
) -> dict[str, list[int]]:
    none = (0,) * len(KINDS)
    found = {
        table: [new - old for new, old in zip(counts, before.get(table, none), strict=True)]
        for table, counts in sorted(after.items())
    }
    return {table: more for table, more in found.items() if any(more)}
