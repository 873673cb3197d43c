"""The statements of a durable step without us: one client after the other sends them, and commits each.

pgbench with identical SQL (psycopg, where the server brings no pgbench): a claim for every two steps, as a worker sends it, and for each an intent and
a settlement, which names the call that its intent was given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from django.db import connection
from django.db.models.functions import Now

from cycles import conf
from cycles.domain.plan import client_order_id
from cycles.domain.words import Role
from cycles.models import Cycle, ExchangeCall, Step
from cycles.services import leasing, stepping
from cycles.services.locking import MODE_LOCK
from cycles.services.moving import Lease
from cycles.services.settling import order_settlement
from exchanges.values import FillReport, Market, OrderReport, OrderStatus, Side
from tests import builders
from tests.benchmarks import paces, pgbench, place
from tests.benchmarks.children import together

MODULE = "tests.benchmarks.statements"
CLIENT = "pgbench" if pgbench.program() else "psycopg"
OWNER = "statements"
Line = psycopg.Connection[Any]
Row = dict[str, Any]
AWAY = timedelta(days=30)
MARKET = Market("XRP", "USDT")
BY_INDEX = "-c enable_seqscan=off"  # as a worker goes
FIRST_MARK = datetime(2000, 1, 1, tzinfo=UTC)
TABLES = """DROP TABLE IF EXISTS bench_free, bench_held;
CREATE TABLE bench_free (cycle uuid PRIMARY KEY, intent text, settled text);
CREATE TABLE bench_held (client int, n int, intent text, settled text, PRIMARY KEY (client, n))"""
CALL = 987654321987654321  # stands for the call's id until the intent has one


def rate(cycles: int, *, clients: int) -> float:
    """Give steps a second of `clients` that each send the statements of new cycles, one at a time."""
    leases = leasing.claim(Role.INITIATOR, OWNER, limit=cycles)
    assert len(leases) == cycles, len(leases)
    held, free = rows_of(leases[1::2]), _given_back(leases[::2])
    steps = [lease.cycle_id for lease in leases]
    send = _by_pgbench if CLIENT == "pgbench" else _by_psycopg
    send(held, free, clients)
    written = ExchangeCall.objects.filter(cycle__in=steps, is_settled=True, noted_at__lte=Now())
    assert written.count() == cycles
    put_away(leases)
    return paces.middle(last=cycles)


def _by_psycopg(held: Sequence[Row], free: Mapping[str, Row], clients: int) -> None:
    specs = [
        {"module": MODULE, "url": place.database_url(), "held": held[n::clients], "free": free}
        for n in range(clients)
    ]
    together("tests.benchmarks.worker", specs, {"DJANGO_SETTINGS_MODULE": "tests.settings"})


def _by_pgbench(held: Sequence[Row], free: Mapping[str, Row], clients: int) -> None:
    """Put what is sent into tables, where each statement finds its own by a key; all clients send equally much."""
    each = len(held) // clients
    assert len(held) == len(free) == each * clients, (
        "each client flies as many cycles, an even number of them"
    )
    with connection.cursor() as cursor:
        cursor.execute(TABLES)
        cursor.executemany(
            "INSERT INTO bench_free VALUES (%s, %s, %s)",
            [(pk, row["intent"], row["settled"]) for pk, row in free.items()],
        )
        cursor.executemany(
            "INSERT INTO bench_held VALUES (%s, %s, %s, %s)",
            [
                (n % clients, n // clients + 1, row["intent"], row["settled"])
                for n, row in enumerate(held)
            ],
        )
        cursor.execute("ANALYZE bench_free, bench_held")
    known = ("-D", "n=0", "-D", f"claimed_wake_at={FIRST_MARK:%Y-%m-%d}")
    pgbench.run(_script(), clients=clients, each=each, words=known, options=BY_INDEX)


def _script() -> str:
    """Write what a client sends for two cycles: a claim and the claimed one's step, then one that it holds already."""
    claim, parameters = leasing._statement(Role.INITIATOR, is_marked=True)
    slack, lasts = leasing.SLACK.total_seconds(), conf.lease_seconds()
    known: dict[object, str] = {
        leasing.MARK: f"(:claimed_wake_at::timestamptz - make_interval(secs => {slack}))",
        leasing.LIMIT: "1",
    }
    values = [known.get(one, f"'{one}'") for one in parameters]
    values += [f"'{OWNER}'", f"make_interval(secs => {lasts})"]
    free = "FROM bench_free WHERE cycle = :claimed_id::uuid"
    held = "FROM bench_held WHERE client = :client_id::int AND n = :n::int"
    lines = ["\\set n :n + 1", claim.strip() % tuple(values) + " \\gset claimed_"]
    for known_by in (free, held):
        intent = f"(SELECT intent {known_by})"
        settled = f"(SELECT replace(settled, '{CALL}', :told_o_call::text) {known_by})"
        lines += [
            stepping.INTEND % (MODE_LOCK, intent, "true") + " \\gset told_",
            stepping.SETTLE % (settled, lasts, "true") + ";",
        ]
    return "\n".join(lines) + "\n"


def _given_back(leases: Sequence[Lease]) -> dict[str, dict[str, Any]]:
    """Let these be claimed anew; gives what each sends then, by cycle."""
    ids = [lease.cycle_id for lease in leases]
    Cycle.objects.filter(pk__in=ids).update(lease_owner="", lease_expires_at=None)
    again = rows_of([replace(lease, fence=lease.fence + 1) for lease in leases])
    return {str(pk): row for pk, row in zip(ids, again, strict=True)}


def put_away(leases: Sequence[Lease]) -> None:
    """Let no worker go on with these cycles: what they bought is at no venue."""
    Cycle.objects.filter(pk__in=[lease.cycle_id for lease in leases]).update(
        lease_owner="", lease_expires_at=None, wake_at=Now() + AWAY
    )


def rows_of(leases: Sequence[Lease]) -> list[dict[str, Any]]:
    """Give the parameters of each cycle's first step."""
    steps = _first_steps([lease.cycle_id for lease in leases])
    return [_row(lease, steps[lease.cycle_id]) for lease in leases]


def _first_steps(cycles: Sequence[UUID]) -> dict[UUID, Step]:
    rows = Step.objects.filter(cycle__in=cycles, kind="BUY").select_related("cycle")
    return {row.cycle_id: row for row in rows}


def _row(lease: Lease, step: Step) -> dict[str, Any]:
    """Give a step's two statements' parameters, as text."""
    name = client_order_id(lease.cycle_id, position=step.position, attempt=1)
    order = {"market": MARKET.code, "side": "buy", "quantity": "40", "limit_price": "2.5"}
    intent = builders.intent_row(
        lease, step, client_order_id=name, request=order, price=Decimal("2.5"), session_id="0" * 32
    )
    call = ExchangeCall(pk=CALL, step=step, venue=step.venue, client_order_id=name)
    settlement = order_settlement(step.cycle, call, _report(name), is_step_done=True)
    whole = replace(settlement, owner=lease.owner, fence=lease.fence, is_noted=True, duration_ms=1)
    return {"intent": _text([intent]), "settled": _text([stepping.settlement_row(whole)])}


def _report(name: str) -> OrderReport:
    """Make a venue's answer: filled whole, in one execution."""
    fill = FillReport(
        venue_fill_id=name, price=Decimal("2.5"), quantity=Decimal(40), notional=Decimal(100),
        fee=Decimal("0.04"), fee_asset="XRP", at=datetime.now(UTC),
    )  # fmt: skip
    return OrderReport(
        venue="binance", market=MARKET, side=Side.BUY, client_order_id=name, venue_order_id=name,
        status=OrderStatus.FILLED, quantity=Decimal(40), executed_quantity=Decimal(40), fills=(fill,),
        created_at=None,
    )  # fmt: skip


def _text(rows: Sequence[dict[str, Any]]) -> str:
    return msgspec.json.encode(rows).decode()


def prepare(spec: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Connect as a worker does; sending the statements is the measured part."""
    line: Line = psycopg.connect(
        spec["url"], autocommit=True, prepare_threshold=0, options=BY_INDEX
    )

    def work() -> dict[str, Any]:
        left = list(spec["held"])
        for row in _claimed(line, spec["free"]):
            for one in (row, *left[:1]):
                _step(line, one)
            left = left[1:]
        for row in left:
            _step(line, row)
        line.close()
        return {}

    return work


def _claimed(line: Line, free: Mapping[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Claim one cycle after the other as a busy worker of one thread does, until none is left."""
    text, parameters = leasing._statement(Role.INITIATOR, is_marked=True)
    mark, lasts = FIRST_MARK, timedelta(seconds=conf.lease_seconds())
    while True:
        known = {leasing.MARK: mark, leasing.LIMIT: 1}
        values = [known.get(one, one) for one in parameters]
        found = line.execute(text, [*values, OWNER, lasts]).fetchone()
        if found is None:
            return
        mark = found[2] - leasing.SLACK
        yield free[str(found[0])]


def _step(line: Line, row: Mapping[str, Any]) -> None:
    found = line.execute(stepping.INTEND, [MODE_LOCK, row["intent"], True]).fetchone()
    assert found is not None
    settled = row["settled"].replace(str(CALL), str(found[3]))
    line.execute(stepping.SETTLE, [settled, conf.lease_seconds(), True])
