"""Durable steps: an intent committed, the venue asked, its outcome settled in the ledger and committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Count

from cycles.domain.words import CallOutcome, Channel, Operation
from cycles.models import ExchangeCall
from cycles.services import opening, rating, watching
from cycles.services.intervening import Actor
from tests import builders
from tests.benchmarks import place, references
from tests.benchmarks.children import together
from tests.benchmarks.copying import copy_whole
from tests.benchmarks.findings import Figure, Findings, median
from tests.benchmarks.meter import EXPLICIT
from tests.benchmarks.venues import Venues

NOTIONAL_USDT = Decimal(100)
FEWEST_COMMITS = 500  # of the references: fewer say nothing
STEPS_A_CYCLE = 2  # the buy and the withdrawal; then the cycle waits for the chain
PLAIN = "psycopg, one-row commits"
Results = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How the work is spread: worker processes, and threads in each."""

    processes: int
    threads: int

    def __str__(self) -> str:
        return f"processes: {self.processes}, threads each: {self.threads}"


SHAPES = (
    Shape(processes=1, threads=1),
    Shape(processes=1, threads=2),
    Shape(processes=2, threads=1),
)


def run(*, cycles: int, rounds: int, shapes: Sequence[Shape] = SHAPES) -> Findings:
    """Drive new cycles through their first two durable steps, at a venue that answers at once."""
    found: dict[Shape, list[Results]] = {shape: [] for shape in shapes}
    with place.desk() as venues:
        actor = Actor(user=builders.person("bench", "administrator"), channel=Channel.COMMAND)
        for _ in range(rounds):
            for shape in shapes:
                open_cycles(cycles, actor)
                found[shape].append(_drive(shape, venues))
                assert sum(one["cycles"] for one in found[shape][-1]) == cycles
        work = _work(venues) | _statements(found[shapes[0]])
        commits = max(cycles * STEPS_A_CYCLE * 2, FEWEST_COMMITS)
        plain = {
            n: _plain(n, commits) for n in {shape.processes * shape.threads for shape in shapes}
        }
    figures = [_rate(shape, found[shape], plain) for shape in shapes]
    figures += _breakdown([one for results in found[shapes[0]] for one in results])
    return Findings(name="durable steps", figures=tuple(figures), work=work | {"cycles": cycles})


def open_cycles(cycles: int, actor: Actor) -> None:
    """Open a cycle by hand on fresh samples, and copy it, books and all: thousands are soon there."""
    watching.tick(rating.Rates())
    first = opening.open_by_hand(
        asset="XRP", notional_usdt=NOTIONAL_USDT, actor=actor, reason="a benchmark"
    )
    copy_whole(first.pk, cycles - 1)


def _drive(shape: Shape, venues: Venues) -> Results:
    """Let worker processes go at once; all that was opened is driven when they come back."""
    specs = [{"module": "tests.benchmarks.driving", "threads": shape.threads}] * shape.processes
    return together("tests.benchmarks.worker", specs, place.child_environment(venues))


def _plain(clients: int, commits: int) -> dict[str, float]:
    """Measure what the same server commits without us, with as many clients."""
    references.prepare()
    url = place.database_url()
    rates = {PLAIN: references.psycopg_rate(url, clients=clients, transactions=commits)}
    by_pgbench = references.pgbench_rate(clients=clients, transactions=commits)
    return rates | ({"pgbench": by_pgbench} if by_pgbench else {})


def _rate(shape: Shape, rounds: Sequence[Results], plain: dict[int, dict[str, float]]) -> Figure:
    """Give durable steps a second; the reference does as many commits a step, and nothing else."""
    rates = [
        sum(one["cycles"] for one in results)
        * STEPS_A_CYCLE
        / max(one["seconds"] for one in results)
        for results in rounds
    ]
    best = max(plain[shape.processes * shape.threads].items(), key=lambda item: item[1])
    return Figure(
        what=f"steps, {shape}",
        value=median(rates),
        unit="1/s",
        reference=f"{best[0]} / 2",
        reference_value=best[1] / 2,
    )


def _breakdown(parts: Results) -> list[Figure]:
    """Say where the time of one step went, and how many statements, explicit COMMITs and calls it took."""
    steps = sum(int(part["cycles"]) for part in parts) * STEPS_A_CYCLE

    def a_step(name: str) -> float:
        return sum(float(part[name]) for part in parts) / steps

    whole = a_step("thread_seconds") * 1000
    spent = {
        "statements": a_step("sql_seconds") * 1000,
        EXPLICIT: a_step("commit_seconds") * 1000,
        "venue": a_step("venue_seconds") * 1000,
    }
    spent["our own Python, and waiting for a core"] = whole - sum(spent.values())
    shares = [
        Figure(
            what=f"a step's time: {name}", value=value, unit="ms", reference="whole step",
            reference_value=whole,
        )
        for name, value in spent.items()
    ]  # fmt: skip
    shares.append(
        Figure(
            what="a step's CPU in our process",
            value=a_step("cpu_seconds") * 1000,
            unit="ms",
            reference="whole step",
            reference_value=whole,
        )
    )
    counts = [
        Figure(what=f"a step's {shown}", value=a_step(name), unit="count")
        for shown, name in (
            ("queries", "queries"),
            (EXPLICIT, "explicit_commits"),
            ("venue calls", "venue_calls"),
        )
    ]
    return shares + counts


def _statements(rounds: Sequence[Results]) -> dict[str, Any]:
    """Count the statements of all steps by verb and table, and the seconds that they took."""
    parts = [one for results in rounds for one in results]
    counted = sum((Counter(one["statements"]) for one in parts), Counter[str]())
    return {"statements": counted, "seconds": sum(one["seconds"] for one in parts)}


def _work(venues: Venues) -> dict[str, Any]:
    """Say what was done, and refuse figures of work that was not: every call done, at the venue once."""
    rows = ExchangeCall.objects.values_list("operation", "outcome").annotate(n=Count("pk"))
    calls = {f"{operation} {outcome}": n for operation, outcome, n in rows}
    orders = len(venues.ask("/control/orders"))
    assert set(calls) == {
        f"{operation} {CallOutcome.DONE}"
        for operation in (Operation.PLACE_ORDER, Operation.WITHDRAW)
    }, calls
    assert orders == calls[f"{Operation.PLACE_ORDER} {CallOutcome.DONE}"]
    with connection.cursor() as cursor:
        cursor.execute("SHOW synchronous_commit")
        row: Any = cursor.fetchone()
    return {"calls": calls, "orders_at_venues": orders, "synchronous_commit": row[0]}
