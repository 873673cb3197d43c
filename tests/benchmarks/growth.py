"""What the hot reads cost when the tables have grown: claims, decisions, newest samples.

Buffers, not milliseconds, tell whether a plan stays flat: they do not depend on the machine.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from cycles import selectors
from cycles.domain.words import Role
from cycles.services import leasing, opening
from tests import builders
from tests.benchmarks.findings import Figure, Findings, median

DUE = 20
REPEATS = 7
LIMIT = 4  # what a worker with four threads claims
INDEXES = {Role.INITIATOR: "cycle_due_outbound", Role.FINALIZER: "cycle_due_return"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What EXPLAIN ANALYZE saw of one statement: pages touched, indexes used, tables scanned whole."""

    buffers: int
    indexes: frozenset[str]
    scans: frozenset[str]


def run(*, sizes: tuple[int, int], samples: tuple[int, int]) -> Findings:
    """Measure at a small and at a large size of the same tables; ratio: large over small."""
    builders.desk()
    small, large = (_measured(*pair) for pair in zip(sizes, samples, strict=True))
    figures = [
        Figure(
            what=what, value=large[what], unit="ms" if what.endswith("time") else "buffers",
            reference="the same, small", reference_value=small[what], aim="<= 1.2",
        )
        for what in large
    ]  # fmt: skip
    work = {"cycles": sizes, "samples": samples, "due": DUE, "indexes": sorted(INDEXES.values())}
    return Findings(name="growth: large tables over small ones", figures=tuple(figures), work=work)


def _measured(cycles: int, samples: int) -> dict[str, float]:
    _grow_cycles(cycles)
    _grow_samples(samples)
    found: dict[str, float] = {}
    for role, index in INDEXES.items():
        plan = _claim_plan(role)
        assert index in plan.indexes, f"the {role} does not claim by {index}: {plan}"
        assert not plan.scans, f"the {role} claims by a scan: {plan}"
        found[f"{role.lower()}: a claim's buffers"] = plan.buffers
        found[f"{role.lower()}: a claim's time"] = _milliseconds(lambda r=role: _claim(r))  # type: ignore[misc]  # bound now
    found["newest samples' buffers"] = _buffers(selectors.latest_samples)
    found["newest samples' time"] = _milliseconds(selectors.latest_samples)
    found["a decision's buffers"] = _buffers(opening.decide)
    found["a decision's time"] = _milliseconds(opening.decide)
    return found


def _claim(role: Role) -> None:
    """Claim and give back, so that the next claim finds the same."""
    for lease in leasing.claim(role, "bench", limit=LIMIT):
        leasing.release(lease, wake_in=None)


def _claim_plan(role: Role) -> Plan:
    """Explain the claim's own SELECT for the rows that are due, as it is sent."""
    with CaptureQueriesContext(connection) as seen:
        _claim(role)
    sql = next(q["sql"] for q in seen.captured_queries if "SKIP LOCKED" in q["sql"])
    return _explained(sql)


def _buffers(work: Callable[[], object]) -> int:
    """Give the pages that all SELECTs of some work touch."""
    with CaptureQueriesContext(connection) as seen:
        work()
    texts = [q["sql"] for q in seen.captured_queries if q["sql"].startswith(("SELECT", "WITH"))]
    return sum(_explained(sql).buffers for sql in texts)


def _explained(sql: str) -> Plan:
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + sql)
        row: Any = cursor.fetchone()
    told = row[0] if not isinstance(row[0], str) else json.loads(row[0])
    nodes = list(_nodes(told[0]["Plan"]))
    top = nodes[0]
    return Plan(
        buffers=top["Shared Hit Blocks"] + top["Shared Read Blocks"],
        indexes=frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
        scans=frozenset(n["Relation Name"] for n in nodes if n["Node Type"] == "Seq Scan"),
    )


def _nodes(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [node, *(below for child in node.get("Plans", []) for below in _nodes(child))]


def _milliseconds(work: Callable[[], object]) -> float:
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append((time.perf_counter() - began) * 1000)
    return median(times)


def _grow_cycles(total: int) -> None:
    """Fill up with ended cycles (nine in ten) and sleeping ones; `DUE` of each role are due now."""
    template = builders.cycle() if not _count("cycles_cycle") else None
    if template is not None:
        _copy_cycles(str(template.pk), DUE - 1, "STARTED", "-1 second")
        _copy_cycles(str(template.pk), DUE, "REBALANCING_IN_PROGRESS", "-1 second")
    missing = total - _count("cycles_cycle")
    any_cycle = _any_cycle()
    _copy_cycles(any_cycle, missing * 9 // 10, "COMPLETED", None)
    _copy_cycles(any_cycle, missing // 20, "STARTED", "1 day")
    _copy_cycles(any_cycle, missing // 20, "AWAITING_REBALANCE", "1 day")
    _settle_statistics("cycles_cycle")


def _copy_cycles(template: str, number: int, status: str, wakes_in: str | None) -> None:
    """Copy a row `number` times; rows are born in their status, which no trigger forbids."""
    is_final = status == "COMPLETED"
    changed = {
        "id": "gen_random_uuid()",
        "code": "'B-' || substr(gen_random_uuid()::text, 1, 13)",
        "status": f"'{status}'",
        "return_asset": "'XRP'",
        "wake_at": "NULL" if wakes_in is None else f"now() + interval '{wakes_in}'",
        "ended_at": "now() - interval '2 days' - g * interval '1 minute'" if is_final else "NULL",
    }
    _copy("cycles_cycle", f"id = '{template}'", number, changed)


def _grow_samples(total: int) -> None:
    """Fill up with samples of five assets, one a second each, the newest just now."""
    if not _count("cycles_premiumsample"):
        for asset in ("BTC", "ETH", "SOL", "USDT", "XRP"):
            builders.sample(asset)
    missing = total - _count("cycles_premiumsample")
    templates = "id IN (SELECT min(id) FROM cycles_premiumsample GROUP BY asset)"
    changed = {"id": "DEFAULT", "at": "now() - g * interval '1 second'"}
    _copy("cycles_premiumsample", templates, missing // 5, changed)
    _settle_statistics("cycles_premiumsample")


def _copy(table: str, where: str, number: int, changed: dict[str, str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s "
            "AND table_schema = current_schema()",
            [table],
        )
        names = [name for (name,) in cursor.fetchall() if changed.get(name) != "DEFAULT"]
        columns = ", ".join(f'"{name}"' for name in names)
        values = ", ".join(changed.get(name, f'"{name}"') for name in names)
        cursor.execute(
            f"INSERT INTO {table} ({columns}) SELECT {values} "
            f"FROM {table}, generate_series(1, %s) g WHERE {where}",
            [number],
        )


def _settle_statistics(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM ANALYZE {table}")


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        row: Any = cursor.fetchone()
    return int(row[0])


def _any_cycle() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM cycles_cycle WHERE status = 'STARTED' LIMIT 1")
        row: Any = cursor.fetchone()
    return str(row[0])
