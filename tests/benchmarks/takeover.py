"""How soon all cycles go on again once every worker that had them was killed.

A cycle is claimed anew once its fence is beyond that of the kill. It is resumed once it has come on as well: what became
of the request that was under way stands in the journal, or the next intent does. Claimed alone is not resumed.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection
from django.db.models import QuerySet
from django.db.models.functions import Now

from cycles.domain.words import CallOutcome, Channel, Operation
from cycles.models import Cycle, ExchangeCall
from cycles.services import desk
from cycles.services.intervening import Actor
from tests import builders
from tests.benchmarks import durable, place, worked
from tests.benchmarks.children import Child
from tests.benchmarks.findings import Figure, Findings
from tests.benchmarks.venues import Venues
from tests.benchmarks.waking import role

HANG_MS = 300_000
# The venue takes the orders that are under way, and answers none of them. (`delay_ms` would have them too old to take.)
SILENCE = {
    "action": "hang", "phase": "after_accept", "args": {"milliseconds": HANG_MS}, "method": "POST", "times": 0,
}  # fmt: skip
THREADS = 100
LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 120.0
OPEN = (CallOutcome.INTENDED, CallOutcome.UNKNOWN)
DEARER = Decimal("1.001")  # what rounding may add to what a cycle was given


@dataclass(frozen=True, slots=True)
class Killed:
    """Where all cycles stood when the last of their workers was gone: each one's fence, the open call, its lease's end."""

    fences: Mapping[UUID, int]
    calls: Mapping[UUID, int]
    longest_lease: float

    def claimed(self) -> int:
        """Count the cycles that somebody has claimed since."""
        now = Cycle.objects.filter(pk__in=self.fences).values_list("pk", "fence")
        return sum(fence > self.fences[pk] for pk, fence in now)

    def resumed(self) -> int:
        """Count the cycles claimed since whose call has an outcome, or that have intended another."""
        rows = ExchangeCall.objects.filter(cycle__in=self.fences)
        told = rows.filter(pk__in=self.calls.values()).exclude(outcome__in=OPEN)
        came_on = {*told.values_list("cycle", flat=True)} | {
            pk for pk, fence in rows.values_list("cycle", "fence") if fence > self.fences[pk]
        }
        now = Cycle.objects.filter(pk__in=came_on).values_list("pk", "fence")
        return sum(fence > self.fences[pk] for pk, fence in now)


def run(*, cycles: int, workers: int, lease_seconds: int) -> Findings:
    """Let workers have all cycles under way, kill them all, start as many anew, wait for the last cycle."""
    with place.desk() as venues:
        actor = Actor(user=builders.person("bench", "administrator"), channel=Channel.COMMAND)
        durable.open_cycles(cycles, actor)
        # Initiators open cycles of their own meanwhile: those were in nobody's hand.
        ours = Cycle.objects.filter(pk__in=list(Cycle.objects.values_list("pk", flat=True)))
        environment = place.child_environment(venues) | {
            "KIMP_WORKER_THREADS": str(min(THREADS, cycles)),
            "KIMP_LEASE_SECONDS": str(lease_seconds),
            "KIMP_VENUE_DEADLINE_SECONDS": str(HANG_MS // 1000),
        }
        venues.tell("/control/faults", SILENCE)
        with contextlib.ExitStack() as stack:
            doomed = [stack.enter_context(role("initiator", environment)) for _ in range(workers)]
            _until(lambda: len(_under_way(ours)) == cycles)
            _until(lambda: _at_venue(venues, _under_way(ours)) == cycles)
            began = time.perf_counter()
            killed = _kill(doomed, ours)
            venues.tell("/control/faults", {}, method="DELETE")
            for _ in range(workers):
                stack.enter_context(role("initiator", environment))
            claimed = _until(lambda: killed.claimed() == cycles) - began
            resumed = _until(lambda: killed.resumed() == cycles) - began
        work: dict[str, Any] = {
            "cycles": cycles,
            "workers": workers,
            "lease seconds": lease_seconds,
        }
        work |= {"claimed anew": killed.claimed(), "resumed": killed.resumed()} | _orders(venues)
        work["done"] = worked.told(ExchangeCall.objects.filter(cycle__in=ours))
    figures = _figures(claimed, resumed, killed.longest_lease, lease_seconds)
    return Findings(name="take-over of cycles in flight", figures=figures, work=work)


def _figures(claimed: float, resumed: float, left: float, lease: int) -> tuple[Figure, ...]:
    of_all = "from SIGKILL of all workers"
    return (
        Figure(what=f"{of_all} to the last cycle claimed anew", value=claimed, unit="s"),
        Figure(what=f"{of_all} to the last cycle's next outcome or intent", value=resumed, unit="s"),
        Figure(what="the longest lease then", value=left, unit="s"),
        Figure(what="claimed anew, beyond a whole lease", value=max(claimed - lease, 0.0), unit="s"),
        Figure(what="resumed, beyond a whole lease", value=max(resumed - lease, 0.0), unit="s", aim="<= 2"),
    )  # fmt: skip


def _under_way(ours: QuerySet[Cycle]) -> dict[UUID, ExchangeCall]:
    """Give the calls, by cycle, that a worker has made and that wait for the venue."""
    calls = ExchangeCall.objects.filter(
        outcome=CallOutcome.INTENDED, cycle__in=ours.filter(lease_expires_at__gt=Now())
    )
    return {call.cycle_id: call for call in calls}


def _at_venue(venues: Venues, calls: Mapping[UUID, ExchangeCall]) -> int:
    """Count those that the venue has taken."""
    taken = {row["client_order_id"] for row in venues.ask("/control/orders")}
    return sum(call.client_order_id in taken for call in calls.values())


def _kill(workers: Iterable[Child], ours: QuerySet[Cycle]) -> Killed:
    """Kill them; what their sessions had under way is over before it is told where all cycles stand."""
    doomed = list(workers)
    for one in doomed:
        os.kill(one.process.pid, signal.SIGKILL)
    for one in doomed:
        one.process.wait()
    _until(lambda: not _sessions())
    now = desk.database_now()
    rows: list[tuple[UUID, int, datetime | None]] = list(
        ours.values_list("pk", "fence", "lease_expires_at")
    )
    return Killed(
        fences={pk: fence for pk, fence, _ in rows},
        calls={pk: call.pk for pk, call in _under_way(ours).items()},
        longest_lease=max((at - now).total_seconds() for _, _, at in rows if at),
    )


def _sessions() -> int:
    """Count the sessions that workers of this database have."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kimp-initiator' "
            "AND datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def _orders(venues: Venues) -> dict[str, int]:
    """Hold the journal against what the venues say; refuses an order taken twice, or that one of them does not know."""
    rows = venues.ask("/control/orders")
    calls = ExchangeCall.objects.filter(operation=Operation.PLACE_ORDER)
    done = calls.filter(outcome=CallOutcome.DONE).values_list("client_order_id", flat=True)
    cycle_of = dict(calls.values_list("client_order_id", "cycle"))
    names = {row["client_order_id"] for row in rows}
    wrong = {
        "orders accepted twice": sum(row["acceptances"] > 1 for row in rows),
        "orders no journal knows": len(names - cycle_of.keys()),
        "orders done that no venue knows": len({*done} - names),
        "cycles that bought twice": _dear(rows, cycle_of),
    }
    assert not any(wrong.values()), wrong
    return {"orders at venues": len(rows)} | wrong


def _dear(rows: Iterable[Mapping[str, Any]], cycle_of: Mapping[str, UUID]) -> int:
    """Count the cycles that paid more for coins than they were given: a rest of an order is no second one."""
    paid: dict[UUID, Decimal] = defaultdict(Decimal)
    for row in rows:
        if row["side"] == "buy" and row["client_order_id"] in cycle_of:
            paid[cycle_of[row["client_order_id"]]] += Decimal(row["executed_notional"])
    given = dict(Cycle.objects.values_list("pk", "notional_usdt"))
    return sum(quote > given[pk] * DEARER for pk, quote in paid.items())


def _until(claim: Callable[[], bool]) -> float:
    """Wait until a claim holds; gives when it did."""
    ends_at = time.perf_counter() + PATIENCE_SECONDS
    while not claim():
        assert time.perf_counter() < ends_at, "it did not happen in time"
        time.sleep(LOOK_SECONDS)
    return time.perf_counter()
