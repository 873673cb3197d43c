"""What the first intent and settlement of a new connection cost the server, with and without warming it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from django.db import connection

from cycles import conf
from cycles.domain.words import Channel, Role
from cycles.services import leasing, stepping
from cycles.services.intervening import Actor
from cycles.services.locking import MODE_LOCK
from cycles.services.warming import warm
from tests import builders
from tests.benchmarks import durable, place, step_rows
from tests.benchmarks.findings import Figure, Findings, median

Line = psycopg.Connection[Any]
STEPS = 2  # of each connection: the first, and one as any later


def run(*, connections: int) -> Findings:
    """Connect so often, without warming and with it in turn; each connection takes the first step of two cycles."""
    with place.desk():
        actor = Actor(user=builders.person("bench", "administrator"), channel=Channel.COMMAND)
        durable.open_cycles(2 * STEPS * connections, actor)
        leases = leasing.claim(Role.INITIATOR, "bench", limit=2 * STEPS * connections)
        rows = iter(step_rows.buys_of(leases))
        cold, warmed, later, warming = [], [], [], []
        for _ in range(connections):
            with _connected() as (line, cpu):
                cold.append(_cost(cpu, line, next(rows)))
                later.append(_cost(cpu, line, next(rows)))
            with _connected() as (line, cpu):
                before = cpu()
                warm(line)
                warming.append(cpu() - before)
                warmed.append(_cost(cpu, line, next(rows)))
                later.append(_cost(cpu, line, next(rows)))
    what = "intent and settlement of a new connection, the server's CPU"
    usual: dict[str, Any] = {"reference": "any later ones", "reference_value": median(later)}
    figures = (
        Figure(what=f"first {what}", value=median(cold), unit="ms", **usual),
        Figure(what=f"first {what}, warmed", value=median(warmed), unit="ms", **usual),
        Figure(what="warming a connection, the server's CPU", value=median(warming), unit="ms"),
    )
    work = {"connections": 2 * connections, "steps": len(cold) + len(warmed) + len(later)}
    return Findings(name="new connections", figures=figures, work=work)


@contextmanager
def _connected() -> Iterator[tuple[Line, Callable[[], float]]]:
    """Connect as a worker does; gives the milliseconds that its server process has used, too."""
    parameters: dict[str, Any] = connection.get_connection_params()
    with psycopg.connect(**parameters, autocommit=True) as line:
        line.execute("SET enable_seqscan = off")
        used = Path(f"/proc/{line.info.backend_pid}/schedstat")
        yield line, lambda: int(used.read_text("ascii").split()[0]) / 1e6


def _cost(cpu: Callable[[], float], line: Line, row: dict[str, Any]) -> float:
    before = cpu()
    intended: Any = line.execute(stepping.INTEND, [MODE_LOCK, row["intent"], True]).fetchone()
    text = row["settled"].replace(str(step_rows.CALL), str(intended[3]))
    settled: Any = line.execute(stepping.SETTLE, [text, conf.lease_seconds(), True]).fetchone()
    assert settled[1]
    return cpu() - before
