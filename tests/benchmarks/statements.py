"""The statements of two durable steps without us: one client after the other sends them, and commits each.

pgbench with identical SQL (psycopg, where the server brings no pgbench). For each cycle: a claim, as a worker sends it, the
buy's intent and settlement, the withdrawal's intent, which has the database vouch for its destination, and the
settlement that hands the cycle back. A settlement names the call that its intent was given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from cycles import conf
from cycles.domain.words import Role
from cycles.models import Cycle, ExchangeCall
from cycles.services import leasing, stepping
from cycles.services.locking import MODE_LOCK
from cycles.services.moving import Lease
from tests.benchmarks import durable, paces, pgbench, place
from tests.benchmarks.children import together
from tests.benchmarks.findings import median
from tests.benchmarks.step_rows import CALL, Both, Row, both_of

MODULE = "tests.benchmarks.statements"
CLIENT = "pgbench" if pgbench.program() else "psycopg"
OWNER = "statements"
LOOKUPS, LOOKUP_ROUNDS = 500, 5
Line = psycopg.Connection[Any]
AWAY = timedelta(days=30)
BY_INDEX = "-c enable_seqscan=off"  # as a worker goes
FIRST_MARK = datetime(2000, 1, 1, tzinfo=UTC)
# What is sent lies in one page beside its key, uncompressed: to find it costs hardly more than to read a literal.
TABLE = """DROP TABLE IF EXISTS bench_cycle;
CREATE TABLE bench_cycle (cycle uuid PRIMARY KEY, bought text STORAGE PLAIN, bought_settled text STORAGE PLAIN,
                          sent text STORAGE PLAIN, sent_settled text STORAGE PLAIN)"""


def rate(cycles: int, *, clients: int) -> float:
    """Give steps a second of `clients` that each send the statements of new cycles, one cycle at a time."""
    fresh = Cycle.objects.filter(fence=0)
    leases = [Lease(cycle_id=pk, owner=OWNER, fence=1) for pk in fresh.values_list("pk", flat=True)]
    assert len(leases) == cycles == cycles // clients * clients, (
        "each client sends as many new cycles, and all of them"
    )
    rows = {lease.cycle_id: both for lease, both in zip(leases, both_of(leases), strict=True)}
    send = _by_pgbench if CLIENT == "pgbench" else _by_psycopg
    send(rows, clients)
    ours = Cycle.objects.filter(pk__in=rows)
    written = ExchangeCall.objects.filter(cycle__in=rows, is_settled=True, noted_at__lte=Now())
    assert written.count() == cycles * durable.STEPS_A_CYCLE
    assert ours.filter(lease_owner="", fence=1).count() == cycles
    put_away(ours)
    return paces.middle(last=cycles * durable.STEPS_A_CYCLE)


def _by_psycopg(rows: Mapping[UUID, Both], clients: int) -> None:
    told = {str(pk): [both.buy, both.withdrawal] for pk, both in rows.items()}
    spec = {"module": MODULE, "url": place.database_url(), "rows": told}
    specs = [spec | {"cycles": len(rows) // clients}] * clients
    together("tests.benchmarks.worker", specs, {"DJANGO_SETTINGS_MODULE": "tests.settings"})


def _by_pgbench(rows: Mapping[UUID, Both], clients: int) -> None:
    """Put what is sent into a table, where a statement finds its own by the cycle that was claimed."""
    with connection.cursor() as cursor:
        cursor.execute(TABLE)
        cursor.executemany(
            "INSERT INTO bench_cycle VALUES (%s, %s, %s, %s, %s)",
            [(pk, *both.buy.values(), *both.withdrawal.values()) for pk, both in rows.items()],
        )
        cursor.execute("VACUUM ANALYZE bench_cycle")
    known = ("-D", f"claimed_wake_at={FIRST_MARK:%Y-%m-%d}")
    each = len(rows) // clients
    pgbench.run(_script(), clients=clients, each=each, words=known, options=BY_INDEX)


def _script() -> str:
    """Write what a client sends for a cycle."""
    claim, parameters = leasing._statement(Role.INITIATOR, is_marked=True)
    slack, lasts = leasing.SLACK.total_seconds(), conf.lease_seconds()
    known: dict[object, str] = {
        leasing.MARK: f"(:claimed_wake_at::timestamptz - make_interval(secs => {slack}))",
        leasing.LIMIT: "1",
    }
    values = [known.get(one, f"'{one}'") for one in parameters]
    values += [f"'{OWNER}'", f"make_interval(secs => {lasts})"]
    lines = [claim.strip() % tuple(values) + " \\gset claimed_"]
    for step in ("bought", "sent"):
        found = "FROM bench_cycle WHERE cycle = :claimed_id::uuid"
        intent = f"(SELECT {step} {found})"
        settled = f"(SELECT replace({step}_settled, '{CALL}', :told_o_call::text) {found})"
        lines += [
            stepping.INTEND % (MODE_LOCK, intent, "true") + " \\gset told_",
            stepping.SETTLE % (settled, lasts, "true") + ";",
        ]
    return "\n".join(lines) + "\n"


def lookup_ms() -> tuple[float, float]:
    """Give what a statement takes that finds a settlement's parameters in the table, and that has them as a literal."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT cycle, bought_settled FROM bench_cycle LIMIT 1")
        cycle, text = cursor.fetchone()
    settled = f"(SELECT replace(bought_settled, '{CALL}', :call::text) FROM bench_cycle WHERE cycle = :cycle::uuid)"
    literal = "'" + text.replace(":", " ").replace("'", "''") + "'"
    known = ("-D", f"cycle={cycle}", "-D", f"call={CALL}")
    took: dict[str, list[float]] = {settled: [], literal: []}
    for _ in range(LOOKUP_ROUNDS):
        for one, seen in took.items():
            script = f"SELECT length({one});\n"
            seen.append(
                1000 / pgbench.run(script, clients=1, each=LOOKUPS, words=known, options=BY_INDEX)
            )
    return median(took[settled]), median(took[literal])


def put_away(cycles: QuerySet[Cycle]) -> None:
    """Let no worker go on with these cycles: what they bought is at no venue."""
    cycles.update(lease_owner="", lease_expires_at=None, wake_at=Now() + AWAY)


def prepare(spec: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Connect as a worker does; sending the statements is the measured part."""
    line: Line = psycopg.connect(
        spec["url"], autocommit=True, prepare_threshold=0, options=BY_INDEX
    )

    def work() -> dict[str, Any]:
        mark = FIRST_MARK
        for _ in range(spec["cycles"]):
            cycle, mark = _claimed(line, mark)
            for row in spec["rows"][cycle]:
                _step(line, row)
        line.close()
        return {}

    return work


def _claimed(line: Line, mark: datetime) -> tuple[str, datetime]:
    """Claim the next cycle as a busy worker of one thread does; gives it, and what the next claim looks above."""
    text, parameters = leasing._statement(Role.INITIATOR, is_marked=True)
    known = {leasing.MARK: mark, leasing.LIMIT: 1}
    values = [known.get(one, one) for one in parameters]
    found = line.execute(text, [*values, OWNER, timedelta(seconds=conf.lease_seconds())]).fetchone()
    assert found is not None
    return str(found[0]), found[2] - leasing.SLACK


def _step(line: Line, row: Row) -> None:
    found = line.execute(stepping.INTEND, [MODE_LOCK, row["intent"], True]).fetchone()
    assert found is not None
    settled = row["settled"].replace(str(CALL), str(found[3]))
    line.execute(stepping.SETTLE, [settled, conf.lease_seconds(), True])
