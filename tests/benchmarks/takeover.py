"""How soon all cycles are in hand again once every worker that had them was killed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable

from django.db.models import Max, Min, QuerySet
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome, Channel, Operation
from cycles.models import Cycle, ExchangeCall
from cycles.services import desk
from cycles.services.intervening import Actor
from tests import builders
from tests.benchmarks import durable, place
from tests.benchmarks.children import Child
from tests.benchmarks.findings import Figure, Findings
from tests.benchmarks.waking import role

LEASE_SECONDS = 10
HANG_MS = 300_000  # the venue answers none of the calls that are under way
THREADS = 100
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 120.0


def run(*, cycles: int, workers: int) -> Findings:
    """Let workers have all cycles under way, kill them all, start as many anew, wait for the last cycle."""
    with place.desk() as venues:
        actor = Actor(user=builders.person("bench", "administrator"), channel=Channel.COMMAND)
        durable.open_cycles(cycles, actor)
        # Initiators open cycles of their own meanwhile: those were in nobody's hand.
        ours = Cycle.objects.filter(pk__in=list(Cycle.objects.values_list("pk", flat=True)))
        environment = place.child_environment(venues) | {
            "KIMP_WORKER_THREADS": str(min(THREADS, cycles)),
            "KIMP_LEASE_SECONDS": str(LEASE_SECONDS),
            "KIMP_VENUE_DEADLINE_SECONDS": str(HANG_MS // 1000),
        }
        rule = {"action": "delay_ms", "args": {"value": HANG_MS}, "method": "POST", "times": 0}
        venues.tell("/control/faults", rule)
        with contextlib.ExitStack() as stack:
            doomed = [stack.enter_context(role("initiator", environment)) for _ in range(workers)]
            _until(lambda: _under_way(ours) == cycles)
            left = _longest_lease(ours)
            _kill(doomed)
            began = time.perf_counter()
            venues.tell("/control/faults", {}, method="DELETE")
            for _ in range(workers):
                stack.enter_context(role("initiator", environment))
            _until(lambda: ours.aggregate(least=Min("fence"))["least"] > 1)
            took = time.perf_counter() - began
        orders = ExchangeCall.objects.filter(
            operation=Operation.PLACE_ORDER, outcome=CallOutcome.DONE
        )
        work = {"cycles": cycles, "workers": workers, "lease seconds": LEASE_SECONDS}
        work["orders accepted twice"] = orders.count() - orders.values("cycle").distinct().count()
    assert work["orders accepted twice"] == 0, work
    return Findings(name="take-over of cycles in flight", figures=_figures(took, left), work=work)


def _figures(took: float, left: float) -> tuple[Figure, ...]:
    return (
        Figure(what="from SIGKILL of all workers to the last cycle claimed anew", value=took, unit="s"),
        Figure(what="the longest lease then", value=left, unit="s"),
        Figure(what="beyond a whole lease", value=max(took - LEASE_SECONDS, 0.0), unit="s", aim="<= 2"),
    )  # fmt: skip


def _under_way(ours: QuerySet[Cycle]) -> int:
    """Count the cycles that a worker has and that wait for the venue."""
    calls = ExchangeCall.objects.filter(
        outcome=CallOutcome.INTENDED, cycle__in=ours.filter(lease_expires_at__gt=Now())
    )
    return calls.count()


def _longest_lease(ours: QuerySet[Cycle]) -> float:
    """Give how long the last lease still lasts, in seconds."""
    last = ours.aggregate(last=Max("lease_expires_at"))["last"]
    return float((last - desk.database_now()).total_seconds())


def _kill(workers: list[Child]) -> None:
    for one in workers:
        os.kill(one.process.pid, signal.SIGKILL)
    for one in workers:
        one.process.wait()


def _until(claim: Callable[[], bool]) -> None:
    ends_at = time.perf_counter() + PATIENCE_SECONDS
    while not claim():
        assert time.perf_counter() < ends_at, "it did not happen in time"
        time.sleep(LOOK_SECONDS)
