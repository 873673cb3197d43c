"""How soon a cycle that becomes due elsewhere has its next intent committed, and what waiting for that costs."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection

from cycles import conf
from cycles.domain.words import Channel
from cycles.models import Cycle, ExchangeCall
from cycles.services import opening, rating, watching
from cycles.services.intervening import Actor
from kimp.sockets import free_port
from tests import builders
from tests.benchmarks import place, worked
from tests.benchmarks.children import Child, cpu_of, family, running
from tests.benchmarks.findings import Figure, Findings, median

ROLES = ("initiator", "finalizer", "qcluster", "web")
START_SECONDS = 15.0  # roles that have just begun are busy with that
LONG_SECONDS = 30.0
LOOK_SECONDS = 0.0002
# When the claim that led to a cycle's first intent began, and the intent's statement, by the server's clock.
STAGES = """
SELECT extract(epoch FROM coalesce(c.lease_expires_at - make_interval(secs => %s), k.intended_at))::float8, extract(epoch FROM k.intended_at)::float8
  FROM cycles_cycle c JOIN cycles_exchangecall k ON k.cycle_id = c.id WHERE c.id = %s ORDER BY k.id LIMIT 1"""
# The server's clock after its snapshot, which the intent was committed before.
LOOK = """SELECT extract(epoch FROM clock_timestamp())::float8 FROM cycles_exchangecall WHERE cycle_id = %s LIMIT 1"""
PAUSE_SECONDS = 5.0  # the cycle before waits for the chain by then


@dataclass(frozen=True, slots=True)
class Wait:
    """Milliseconds from the answer to our commit until the claim began, the intent's statement did, and its commit was seen."""

    cycle: UUID
    claimed: float
    intended: float
    committed: float


def run(*, cycles: int, idle_seconds: int, rested: int, settle_seconds: float) -> Findings:
    """Let all roles idle; then open cycles one by one beside an idle initiator, books read or streamed.

    The `rested` come after a longer pause.
    """
    with place.desk() as venues:
        environment = place.child_environment(venues)
        figures, processes = _idle(environment, idle_seconds)
        actor = Actor(user=builders.person("bench", "administrator"), channel=Channel.COMMAND)
        woken: list[Wait] = []
        for how, options in {"books streamed": ["--streams"], "books read": []}.items():
            with role("initiator", environment, *options) as initiator:
                time.sleep(settle_seconds)
                waits = [_wait(actor) for _ in range(cycles)]
                late = [_wait(actor, after=PAUSE_SECONDS) for _ in range(rested)]
                assert initiator.process.poll() is None
            figures += _waits(how, waits, late)
            woken += waits + late
        first = ExchangeCall.objects.filter(cycle__in=[one.cycle for one in woken])
        first = first.filter(step__position=1, attempt=1)
    work: dict[str, Any] = {
        "woken": len(woken),
        "first intents": first.count(),
        "idle processes": processes,
    }
    work["done"] = worked.told(first)
    return Findings(name="waking and idling", figures=tuple(figures), work=work)


def _waits(how: str, waits: list[Wait], late: list[Wait]) -> list[Figure]:
    what = f"from a commit elsewhere to the intent committed, {how}"
    figures = [
        *_aimed_at(what, waits),
        Figure(what="until the claim begins, p50", value=median(one.claimed for one in waits), unit="ms"),
        Figure(what="until the intent does, p50", value=median(one.intended for one in waits), unit="ms"),
    ]  # fmt: skip
    if late:
        figures += _aimed_at(
            f"{what}, after a pause of {PAUSE_SECONDS:.0f} s, {len(late)} times", late
        )
    return figures


def _aimed_at(what: str, waits: list[Wait]) -> list[Figure]:
    """Give p50 and p99; of fewer than a hundred the second is the slowest of them."""
    whole = sorted(one.committed for one in waits)
    return [
        Figure(what=f"{what}, p50", value=median(whole), unit="ms", aim="<= 5"),
        Figure(what=f"{what}, p99", value=whole[int(len(whole) * 0.99)], unit="ms", aim="<= 25"),
    ]


@contextlib.contextmanager
def role(name: str, environment: dict[str, str], *options: str) -> Iterator[Child]:
    """Run a role of the desk for a block."""
    port = free_port()
    told = {"KIMP_ROLE": "worker" if name == "qcluster" else name, "KIMP_PORT": str(port)}
    arguments = {
        "qcluster": ["manage.py", "qcluster"],
        "web": [
            "-m",
            "gunicorn",
            "kimp.wsgi:application",
            f"--bind=127.0.0.1:{port}",
            "--threads=8",
        ],
    }.get(name, ["manage.py", name, "--no-metrics", *options])
    with running(arguments, environment | told) as child:
        yield child


def _wait(actor: Actor, *, after: float = 0.0) -> Wait:
    """Open a cycle and wait for its first intent, from the answer to our commit until theirs is seen.

    It is seen at the moment that the server sees it, by the server's clock, not when its answer has come back; so the
    server must be on this machine.
    """
    time.sleep(after + random.uniform(0.2, 1.2))
    watching.tick(rating.Rates())
    row = opening.open_by_hand(
        asset="XRP", notional_usdt=Decimal(100), actor=actor, reason="a benchmark"
    )
    began = time.time()
    with connection.cursor() as cursor, prepared(cursor.connection) as look:
        while (seen := _intent_seen(look, row)) is None:
            assert time.time() - began < LONG_SECONDS
            time.sleep(LOOK_SECONDS)
        stages: Any = look.execute(STAGES, [conf.lease_seconds(), row.pk]).fetchone()
    claimed, intended, committed = ((at - began) * 1000 for at in (*stages, seen))
    return Wait(row.pk, claimed, intended, committed)


@contextlib.contextmanager
def prepared(line: psycopg.Connection[Any]) -> Iterator[psycopg.Cursor[Any]]:
    """Look as cheaply as can be: who looks shares two cores with those that are looked at."""
    before, line.prepare_threshold = line.prepare_threshold, 1
    try:
        yield psycopg.Cursor(line)
    finally:
        line.prepare_threshold = before


def _intent_seen(look: psycopg.Cursor[Any], cycle: Cycle) -> float | None:
    row = look.execute(LOOK, [cycle.pk]).fetchone()
    return float(row[0]) if row else None


def _idle(environment: dict[str, str], seconds: int) -> tuple[list[Figure], int]:
    """Let the roles wait for nothing: their CPU together, the largest of their processes, how many these are."""
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(role(name, environment)) for name in ROLES]
        time.sleep(min(START_SECONDS, seconds))
        pids = [pid for child in children for pid in family(child.process.pid)]
        before = sum(cpu_of(pid) for pid in pids)
        time.sleep(seconds)
        used = sum(cpu_of(pid) for pid in pids) - before
        largest = max(_megabytes(pid) for pid in pids)
        assert all(child.process.poll() is None for child in children)
    told = f"{', '.join(ROLES)}: {len(pids)} processes"
    return [
        Figure(what=f"CPU of {told}, nothing due", value=used / seconds * 100, unit="% of a core", aim="<= 5"),
        Figure(what="memory of the largest of them", value=largest, unit="MB", aim="<= 150"),
    ], len(pids)  # fmt: skip


def _megabytes(pid: int) -> float:
    pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20
