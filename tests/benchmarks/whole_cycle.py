"""One round trip from opening to closed books, counted: statements, explicit COMMITs, venue calls."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

from django.db.models import Sum

from cycles.models import Cycle, Transition, VenueWatch
from cycles.selectors.awaited import awaited
from cycles.services import tracing, verifying
from cycles.services.advancing import advance
from cycles.services.venue_watcher import VenueWatcher
from exchanges import registry
from exchanges.simulator.server import RunningSimulator
from tests.benchmarks import place, worked
from tests.benchmarks.findings import Figure, Findings, median
from tests.benchmarks.meter import EXPLICIT, Meter, metered, venue_calls, venue_totals
from tests.benchmarks.venues import Venues
from tests.desk import TestDesk

SPEED = 1000  # of the markets and the chain: the waits in between are not what is counted
VENUES = tuple(f"{venue} " for venue in registry.VENUES)
COUNTS = ("queries", EXPLICIT, "venue calls", "looks")
UNIT = "step."  # as spans of a step's units are named


class Units:
    """A tracer that counts the statements within each unit of a step, by the step's kind."""

    def __init__(self, meter: Meter, found: dict[str, list[int]]) -> None:
        self._meter, self._found = meter, found

    @contextmanager
    def span(
        self, name: str, _cycle_id: UUID | None, attributes: Mapping[str, tracing.Attribute]
    ) -> Iterator[str]:
        """Count what is asked within a unit."""
        before = self._meter.queries
        yield ""
        if name.startswith(UNIT):
            kind = f"{name.removeprefix(UNIT)} {attributes['venue']}"
            self._found[kind].append(self._meter.queries - before)


def run(*, cycles: int) -> Findings:
    """Drive so many cycles by each Korean venue, one after the other by a test's hands, and count what each took."""
    shapes: Counter[str] = Counter()
    units: dict[str, list[int]] = defaultdict(list)
    by = [korea for korea in registry.KOREAN_VENUES for _ in range(cycles)]
    with place.desk(speed=SPEED, korea=registry.KOREAN_VENUES) as venues:
        desk = TestDesk(running=cast("RunningSimulator", venues))  # it asks for `control_url` only
        rows = [_one(desk, korea, shapes, units) for korea in by]
        work = _work(venues, len(by))
    figures: list[Figure] = []
    for korea in registry.KOREAN_VENUES:
        found = [row for row, its in zip(rows, by, strict=True) if its == korea]
        figures += _figures(f"a cycle's {{}}, by {korea.capitalize()}", found)
    most = {name: count // len(by) for name, count in shapes.most_common(12)}
    calls = [
        {kind: int(row[kind]) for kind in sorted(row) if kind.startswith(VENUES)} for row in rows
    ]
    work |= {"by": by, "units": {kind: sorted(units[kind]) for kind in sorted(units)}}
    work |= {"most": most, "calls": calls, "queries": [int(row["queries"]) for row in rows]}
    return Findings(name="one whole cycle", figures=tuple(figures), work=work)


def _figures(what: str, rows: list[dict[str, float]]) -> Iterator[Figure]:
    """Tell what the middle one of some cycles took."""
    for name in COUNTS:
        yield Figure(what=what.format(name), value=median(row[name] for row in rows), unit="count")
    whole = median(row["seconds"] for row in rows)
    for name in ("seconds in SQL", "seconds at venues"):
        yield Figure(
            what=what.format(name), value=median(row[name] for row in rows), unit="s",
            reference="working time", reference_value=whole,
        )  # fmt: skip


def _one(
    desk: TestDesk, korea: str, shapes: Counter[str], units: dict[str, list[int]]
) -> dict[str, float]:
    """Drive one cycle; the looks that find it still waiting are left out of the counts."""
    cycle = desk.open(asset="XRP", notional="2000", korea_venue=korea)
    totals = dict.fromkeys((*COUNTS, "seconds", "seconds in SQL", "seconds at venues"), 0.0)
    deadline = time.monotonic() + 60
    while cycle.status != "COMPLETED":
        assert time.monotonic() < deadline, f"{cycle.code} stays {cycle.status}"
        _look(desk, cycle, totals, shapes, units)
    return totals


def _look(
    desk: TestDesk,
    cycle: Cycle,
    totals: dict[str, float],
    shapes: Counter[str],
    units: dict[str, list[int]],
) -> None:
    """Step once under the meter; a look that changed nothing was only the wait between two."""
    version = cycle.version
    desk.sample()
    _watch()
    calls, at_venues = venue_totals()
    kinds = venue_calls()
    looks, seen = _looks_taken(), defaultdict[str, list[int]](list)
    with metered() as meter:
        began = time.perf_counter()
        with _counting(meter, seen):
            _advance(desk, cycle)
        seconds = time.perf_counter() - began
    cycle.refresh_from_db()
    if cycle.version == version:
        time.sleep(0.05)
        return
    calls_after, at_venues_after = venue_totals()
    shapes.update(meter.by_statement)
    for kind, counts in seen.items():
        units[kind] += counts
    totals["looks"] += _looks_taken() - looks
    for kind, count in (venue_calls() - kinds).items():
        totals[kind] = totals.get(kind, 0) + count
    _add(totals, meter, calls_after - calls, seconds, at_venues_after - at_venues)


@contextmanager
def _counting(meter: Meter, found: dict[str, list[int]]) -> Iterator[None]:
    """Count the statements of each unit, for a block."""
    before = tracing.install(Units(meter, found))
    try:
        yield
    finally:
        tracing.install(before)


def _watch() -> None:
    """Look at the venues as the watcher of a role does: for all cycles, so no part of one cycle's cost."""
    watcher = VenueWatcher()
    for looks in watcher.due(awaited()).values():
        for what, apart in looks:
            watcher.look(what, apart=apart)


def _looks_taken() -> int:
    """Count the looks at venues so far, whoever took them."""
    return VenueWatch.objects.aggregate(taken=Sum("number"))["taken"] or 0


def _advance(desk: TestDesk, cycle: Cycle) -> None:
    advance(desk.lease(cycle))


def _add(
    totals: dict[str, float], meter: Meter, calls: int, seconds: float, at_venues: float
) -> None:
    totals["queries"] += meter.queries
    totals[EXPLICIT] += meter.explicit_commits
    totals["venue calls"] += calls
    totals["seconds"] += seconds
    totals["seconds in SQL"] += meter.sql_seconds + meter.commit_seconds
    totals["seconds at venues"] += at_venues


def _work(venues: Venues, cycles: int) -> dict[str, Any]:
    """Refuse figures of cycles that did not come home whole."""
    report = verifying.verify_ledger()
    assert report.is_balanced, report.problems
    assert report.matches_venues, report.problems
    assert Cycle.objects.filter(status="COMPLETED").count() == cycles
    return {
        "cycles": cycles,
        "transitions": Transition.objects.count(),
        "orders_at_venues": len(venues.ask("/control/orders")),
        "done": worked.since(0, venues),
    }
