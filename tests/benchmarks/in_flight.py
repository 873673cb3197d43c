"""Cycles in flight, many or one at a time: venues that take their time, that answer at once, and within the worker."""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Max

from cycles.domain.words import Channel, CycleStatus, Role
from cycles.models import Cycle, ExchangeCall
from cycles.services import seeding
from cycles.services.desk import database_now
from cycles.services.intervening import Actor
from cycles.services.working import Worker
from tests import builders
from tests.benchmarks import durable, instant_venue, paces, place, sharing, statements, worked
from tests.benchmarks.children import together
from tests.benchmarks.findings import Figure, Findings, median, of_pairs
from tests.benchmarks.venues import Venues

LOOK_SECONDS = 0.5  # at how far it is: seldom, it is the measured process and its server that look
STUCK_SECONDS = 60
MODULE = "tests.benchmarks.in_flight"
WHOLE = "from the start of the workers to the last step"
PLAIN = f"the same statements alone, {statements.CLIENT}, one step at a time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flight:
    """How many cycles are in flight in how many processes, and how long the venue takes for a request that changes something.

    `is_within`: the global venue is none but a simulated call, in the worker itself. `times`: as many cycles as
    otherwise, for a worker's first tenths of a second, in which it connects and plans, are no rate.
    """

    processes: int
    threads: int
    answer_ms: int = 0
    is_within: bool = False
    aim: str = ""
    times: int = 1

    def __str__(self) -> str:
        venue = "simulated call" if self.is_within else f"HTTP, answers after {self.answer_ms} ms"
        return f"processes: {self.processes}, in flight in each: {self.threads}, {venue}"


FLIGHTS = (
    Flight(processes=1, threads=100, answer_ms=500, aim="ratio >= 0.8", times=3),
    Flight(processes=2, threads=1, is_within=True, aim="ratio >= 0.85"),
    Flight(processes=4, threads=1, is_within=True, aim="ratio >= 0.85"),
    Flight(processes=2, threads=50, is_within=True, aim="ratio >= 1.5", times=5),
    Flight(processes=4, threads=25, is_within=True, aim="ratio >= 1.5", times=5),
    Flight(processes=2, threads=1),
    Flight(processes=2, threads=50),
)


@dataclass(frozen=True, slots=True)
class Flown:
    """What one flight showed: steps a second, those of its reference, milliseconds of CPU a step.

    `claimed` is cycles a claim, `settled` settlements a statement.
    `rate` is that of its middle, `whole` counts from the worker's start to the last step.
    """

    rate: float
    whole: float
    reference: float
    worker_ms: float
    server_ms: float
    megabytes: float
    connections: float
    claimed: float
    settled: float
    done: dict[str, Any]


def run(*, cycles: int, rounds: int = 1, flights: Sequence[Flight] = FLIGHTS) -> Findings:
    """Drive new cycles through their first two durable steps, a flight after the other; medians of the rounds count.

    A flight and its reference share a desk that was empty before: each round the other of them comes first.
    """
    flown: dict[Flight, list[Flown]] = {flight: [] for flight in flights}
    for number in range(rounds):
        for flight in flights:
            is_second = bool(number % 2)
            flown[flight].append(_fly(flight, cycles * flight.times, is_second=is_second))
    figures = [figure for flight in flights for figure in _figures(flight, flown[flight])]
    figures += _lookups(flights)
    done = {str(flight): [one.done for one in flown[flight]] for flight in flights}
    work = {"cycles": [cycles * flight.times for flight in flights], "rounds": rounds, "done": done}
    return Findings(name="cycles in flight", figures=tuple(figures), work=work)


def _fly(flight: Flight, cycles: int, *, is_second: bool) -> Flown:
    """Fly, and let the reference send as many steps: before it, or after it where the reference is to be second."""
    with place.desk() as venues:
        actor = Actor(user=builders.person("bench", "administrator"), channel=Channel.COMMAND)
        before = None if is_second else _reference(flight, cycles, actor)
        venues.tell("/control/clock", {"freeze": True})
        flown = _worked(flight, cycles, actor, venues)
        statements.put_away(Cycle.objects.filter(status=CycleStatus.STARTED))
        flown.done["reference"] = "second" if is_second else "first"
        return replace(flown, reference=before or _reference(flight, cycles, actor))


def _reference(flight: Flight, cycles: int, actor: Actor) -> float:
    """Give the steps a second that a flight is held against."""
    if flight.answer_ms:
        return flight.threads * 1000 / flight.answer_ms
    durable.open_cycles(cycles, actor)
    return statements.rate(cycles, clients=flight.processes)


def _worked(flight: Flight, cycles: int, actor: Actor, venues: Venues) -> Flown:
    """Let workers drive all cycles at once; no coin arrives, so each makes two steps and no more."""
    durable.open_cycles(cycles, actor)
    before, newest = paces.steps(), worked.newest_call()
    if flight.answer_ms:
        rule = {"action": "delay_ms", "args": {"value": flight.answer_ms}, "method": "POST"}
        venues.tell("/control/faults", rule | {"times": 0})
    environment = place.child_environment(venues)
    environment |= {"KIMP_WORKER_THREADS": str(flight.threads)}
    all_sent = _sent() + cycles
    spec = {"module": MODULE, "is_within": flight.is_within, "sent": all_sent}
    server = place.server_cpu_seconds()
    found = together("tests.benchmarks.worker", [spec] * flight.processes, environment)
    server = place.server_cpu_seconds() - server
    steps = paces.steps() - before
    assert steps == cycles * durable.STEPS_A_CYCLE, steps
    return Flown(
        rate=paces.middle(last=steps),
        whole=steps / max(one["seconds"] for one in found),
        reference=0.0,
        worker_ms=sum(one["cpu"] for one in found) * 1000 / steps,
        server_ms=server * 1000 / steps,
        megabytes=max(one["megabytes"] for one in found),
        connections=max(one["connections"] for one in found),
        claimed=sharing.mean([one["claims"] for one in found]),
        settled=sharing.mean([one["settlements"] for one in found]),
        done=worked.since(newest, None if flight.is_within else venues),
    )


def _lookups(flights: Sequence[Flight]) -> list[Figure]:
    """Say what it costs the reference that its parameters are no literals; nothing where none of it was flown."""
    if statements.CLIENT != "pgbench" or all(flight.answer_ms for flight in flights):
        return []
    found, literal = statements.lookup_ms()
    what = "the reference: finding a statement's parameters"
    return [Figure(what=what, value=found, unit="ms", reference="as literals", reference_value=literal)]  # fmt: skip


def _figures(flight: Flight, flown: Sequence[Flown]) -> list[Figure]:
    """Give the median rate beside its reference's, and what it took."""
    reference = "all of them always waiting for the venue" if flight.answer_ms else PLAIN

    def middle(of: Callable[[Flown], float]) -> float:
        return median(of(one) for one in flown)

    pairs = [(one.rate, one.reference) for one in flown]
    return [
        of_pairs(pairs, what=f"steps, {flight}", unit="1/s", reference=reference, aim=flight.aim),
        Figure(what=WHOLE, value=middle(lambda one: one.whole), unit="1/s"),
        Figure(what="CPU of the workers a step", value=middle(lambda one: one.worker_ms), unit="ms"),
        Figure(what="CPU of the server a step", value=middle(lambda one: one.server_ms), unit="ms"),
        Figure(what="memory of the largest worker", value=max(one.megabytes for one in flown), unit="MB", aim="<= 300"),
        Figure(what="connections of them all", value=max(one.connections for one in flown), unit="count"),
        Figure(what="cycles a claim", value=middle(lambda one: one.claimed), unit="count"),
        Figure(what="settlements a statement", value=middle(lambda one: one.settled), unit="count"),
    ]  # fmt: skip


def prepare(spec: dict[str, Any]) -> Callable[[], dict[str, Any]]:
    """Set a worker up; running it until all cycles wait for the chain is the measured part."""
    if spec["is_within"]:
        instant_venue.install()
    seeding.configure()
    shares = sharing.count()
    worker = Worker(Role.INITIATOR)

    def work() -> dict[str, Any]:
        began, cpu = database_now(), time.process_time()
        thread = threading.Thread(target=worker.run)
        thread.start()
        connections = _until_all_wait(spec["sent"])
        used = time.process_time() - cpu
        seconds = (_last_noted() - began).total_seconds()
        worker.stop.set()
        thread.join()
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        claims, settlements = ((one.statements, one.rows) for one in shares)
        return {
            "seconds": seconds, "cpu": used, "megabytes": megabytes, "connections": connections,
            "claims": claims, "settlements": settlements,
        }  # fmt: skip

    return work


def _last_noted() -> datetime:
    """Give when the last step was: its own time, not that of who looks for its end."""
    last: datetime = ExchangeCall.objects.aggregate(last=Max("noted_at"))["last"]
    return last


def _until_all_wait(cycles: int) -> int:
    """Wait until so many cycles in all have sent their coins; gives the most connections seen meanwhile."""
    most, sent, moved_at = 0, 0, time.monotonic()
    while sent < cycles:
        assert time.monotonic() - moved_at < STUCK_SECONDS, f"{cycles - sent} cycles do not go on"
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kimp-initiator' "
                "AND datname = current_database()"
            )
            most = max(most, cursor.fetchone()[0])
        time.sleep(LOOK_SECONDS)
        before, sent = sent, _sent()
        moved_at = time.monotonic() if sent > before else moved_at
    return most


def _sent() -> int:
    """Count the withdrawals that are settled, without a join: the process that looks is the one that is measured."""
    return ExchangeCall.objects.filter(operation="WITHDRAW", is_settled=True).count()
