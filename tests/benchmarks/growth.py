"""What the hot reads cost when the tables have grown: claims, sweeps, newest samples.

Buffers, not milliseconds, tell whether a plan stays flat: they do not depend on the machine. The cycles that
are due are always the same two hundred; ended ones are added, and fifty thousand whose time is yet to come.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import psycopg
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles import selectors
from cycles.domain.words import Role
from cycles.models import Cycle
from cycles.services import leasing, sweeping
from tests import builders
from tests.benchmarks import batches, copying, offspring
from tests.benchmarks.copying import copy, count
from tests.benchmarks.explaining import (
    Plan,
    as_a_worker,
    as_the_cluster,
    await_no_snapshot,
    buffers,
    undone,
    unhurried,
)
from tests.benchmarks.findings import Figure, Findings, median
from tests.benchmarks.place import database_url
from tests.planting import planted

DUE = 100  # of each role
LIMIT = 4  # what a worker with four threads claims
INDEXES = {Role.INITIATOR: "cycle_due_outbound", Role.FINALIZER: "cycle_due_return"}
CHOOSING = ("due", "waiting")  # of the parts of a claim
KEY = "cycles_cycle_pkey"
SWEEPS = {
    "retries": leasing.claim_retries,
    "expired leases": sweeping.claim_expired,
}
DAY = timedelta(days=1)
FLAT, HELD = "ratio <= 1.2", "ratio >= 0.85"


def run(
    *, sizes: tuple[int, ...], future: int, samples: tuple[int, int], whole: tuple[int, int], seconds: int
) -> Findings:  # fmt: skip
    """Measure at the smallest size, then with cycles of the future in front, then at larger ones.

    `whole`: how many cycles of the smallest and of the larger sizes have steps, call, fill, transition and postings.
    """
    builders.desk()
    with unhurried(), as_a_worker():
        found = _sizes(sizes, future, samples, whole)
        rates = _rates(seconds)
    names = [f"{size:,} cycles" for size in sizes]
    names.insert(1, f"{future:,} of the future in front")
    small, *larger = found
    figures, others = [], []
    for name, at in zip(names[1:], larger, strict=True):
        for what, plan in at.plans.items():
            few = small.plans[what]
            if (plan.shape, plan.indexes) != (few.shape, few.indexes):
                others.append(f"{what}; {name}")
            figures.append(_flat(f"{what}; {name}", plan.buffers, few.buffers, names[0]))
            figures.append(
                _flat(f"{what}: choosing; {name}", _chosen(plan), _chosen(few), names[0])
            )
        beside = f"{small.rows['fill']:,} of {names[0]} that have as much"
        for what, pages in at.read.items():
            told = f"{what}, of {at.rows['fill']:,} that have as much; {name}"
            # No aim: of two or three pages a level more of an index is half.
            figures.append(replace(_flat(told, pages, small.read[what], beside), aim=""))
        for what, pages in at.batches.items():
            # No aim either: each that is chosen is read with its cycle by keys, which a level more makes dearer each.
            told = f"{what}, {batches.DEAD} of them; {name}"
            figures.append(replace(_flat(told, pages, small.batches[what], names[0]), aim=""))
        figures.append(_flat(f"newest samples; {name}", at.newest, small.newest, names[0]))
    figures += [_same_plans(others), *rates]
    work = {"cycles": sizes, "future": future, "samples": samples, "due": DUE * len(INDEXES)}
    work["another plan than the smallest has"] = others
    work["on cycles hang"] = [at.rows for at in found]
    return Findings(name="growth: large tables over small ones", figures=tuple(figures), work=work)


def _same_plans(others: Sequence[str]) -> Figure:
    return Figure(
        what="statements that another plan serves than among the fewest cycles", value=len(others),
        unit="count", aim="<= 0",
    )  # fmt: skip


def _chosen(plan: Plan) -> int:
    """Give the pages that were read to choose and lock what is due: writing must not hide them."""
    return sum(plan.parts.get(name, 0) for name in CHOOSING)


def _flat(what: str, pages: int, small: int, name: str) -> Figure:
    return Figure(
        what=what, value=pages, unit="buffers", reference=name, reference_value=small, aim=FLAT
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was seen at one size: the plans of claims and sweeps, pages of other reads, the rows that hang on cycles."""

    plans: dict[str, Plan]
    batches: dict[str, int]
    read: dict[str, int]
    rows: dict[str, int]
    newest: int


def _sizes(
    sizes: tuple[int, ...], future: int, samples: tuple[int, int], whole: tuple[int, int]
) -> list[Seen]:
    """Grow step by step and measure after each."""
    statements = _statements()

    def seen() -> Seen:
        return Seen(
            plans=_measured(statements), batches=batches.pages(), read=offspring.pages(), rows=offspring.counts(),
            newest=buffers(_newest),
        )  # fmt: skip

    _grow_samples(samples[0])
    begin_cycles()
    _sleep_cycles(sizes[0] // 5)
    template = offspring.begun()
    offspring.grow(template, whole[0])
    batches.begin()
    _end_cycles(sizes[0])
    found = [seen()]
    _sleep_cycles(future)
    found.append(seen())
    for size in sizes[1:]:
        offspring.grow(template, whole[1])
        _end_cycles(size)
        _grow_samples(samples[1])
        found.append(seen())
    return found


def _measured(statements: Mapping[str, str]) -> dict[str, Plan]:
    """Explain what was sent, each as it is and prepared; the rows that are due stay free."""
    found: dict[str, Plan] = {}
    for what, sql in statements.items():
        index = INDEXES[Role(what.partition(":")[0])]
        # Sweeps are sent by the queue's cluster, claims by initiators and finalizers.
        session = as_the_cluster if ": a sweep of " in what else as_a_worker
        for name, explain in ((what, undone), (f"{what}, generic plan", generic)):
            _clear_away()
            with session():
                plan = explain(sql)
            expected = {"cycle_retry_due"} if what.endswith("retries") else {index}
            chosen = plan.indexes - {KEY}
            assert chosen, f"{name} is by no index: {plan}"
            assert chosen <= expected, f"{name} is not by {expected}: {plan}"
            assert KEY in plan.indexes, f"{name} writes by another index than the key: {plan}"
            assert not plan.scans, f"{name} is by a scan: {plan}"
            found[name] = plan
    return found


def _clear_away() -> None:
    """Clear away what was taken back: entries that an update has written are read past by the next claim."""
    await_no_snapshot()
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (INDEX_CLEANUP ON) cycles_cycle")


def _statements() -> dict[str, str]:
    """Give claims and sweeps, as they are sent while nothing is due."""
    found: dict[str, str] = {}
    for role in INDEXES:
        leasing._marks[role] = leasing._Mark()  # nothing was full before
        claims = {"a claim": partial(leasing.claim, role, "bench", limit=LIMIT)} | {
            f"a sweep of {what}": partial(sweep, role, "bench", limit=1)
            for what, sweep in SWEEPS.items()
        }
        found |= {f"{role.lower()}: {what}": _sent(claim) for what, claim in claims.items()}
    return found


def generic(sql: str) -> Plan:
    """Explain a claim that was prepared, under a plan for any number of rows."""
    limit = sql.partition(" LIMIT ")[2].partition(" ")[0]
    with connection.cursor() as cursor:
        cursor.execute("SET plan_cache_mode = force_generic_plan")
        cursor.execute(f"PREPARE claim (bigint) AS {sql.replace(f' LIMIT {limit} ', ' LIMIT $1 ')}")
        try:
            return undone(f"EXECUTE claim ({limit})")
        finally:
            cursor.execute("DEALLOCATE claim")
            cursor.execute("RESET plan_cache_mode")


def _newest() -> object:
    return list(selectors.latest_samples())


def _sent(work: Callable[[], object], known_by: str = "SKIP LOCKED") -> str:
    """Give the whole statement of a claim: it locks what is due, writes the leases, tells where those cycles stand."""
    with CaptureQueriesContext(connection) as seen:
        work()
    (sql,) = (q["sql"] for q in seen.captured_queries if known_by in q["sql"])
    return sql


def _rates(seconds: int) -> list[Figure]:
    """Claim while others fall due, without and with an old snapshot held elsewhere."""
    sleeping = Cycle.objects.filter(status="STARTED", wake_at__gt=Now())
    asleep = deque(sleeping.values_list("pk", flat=True))
    before = _rate(seconds, asleep)
    with _held_snapshot():
        held = _rate(seconds, asleep)
        above, whole = _looks()
        asks = undone(_sent(partial(leasing.next_due_in, Role.INITIATOR), " AS due_in"))
    settle_statistics("cycles_cycle")
    plain = median([before, _rate(seconds, asleep)])
    return [
        Figure(
            what=f"claims while an old snapshot is held for {seconds} s: last quarter", value=held,
            unit="1/s", reference="without, before and after", reference_value=plain, aim=HELD,
        ),
        Figure(
            what="pages that a claim reads in the end to choose, above its mark", value=_chosen(above),
            unit="buffers", reference="at everything", reference_value=_chosen(whole),
        ),
        Figure(
            what="pages that a worker whose claim found nothing reads to learn when the next is due", value=asks.buffers,
            unit="buffers", reference="such a claim, at everything", reference_value=_chosen(whole),
        ),
    ]  # fmt: skip


def _rate(seconds: int, asleep: deque[UUID]) -> float:
    """Give claims a second of the last quarter, by the time they take themselves.

    Each sends its cycles to sleep, and as many others fall due: every claim leaves dead entries before the oldest.
    """
    took: list[float] = []
    began_at = time.perf_counter()
    while (began := time.perf_counter()) < began_at + seconds:
        leases = leasing.claim(Role.INITIATOR, "bench", limit=LIMIT)
        if began > began_at + seconds * 0.75:
            took.append(time.perf_counter() - began)
        assert len(leases) == LIMIT
        for lease in leases:
            leasing.release(lease, wake_in=DAY)
            asleep.append(lease.cycle_id)
        woken = [asleep.popleft() for _ in leases]
        Cycle.objects.filter(pk__in=woken).update(wake_at=Now())
    return len(took) / sum(took)


def _looks() -> tuple[Plan, Plan]:
    """Explain what a busy role sends most of the time, and what it sends every two seconds."""
    claim = partial(leasing.claim, Role.INITIATOR, "bench", limit=LIMIT)
    leasing._marks[Role.INITIATOR] = leasing._Mark()
    whole = _sent(claim)
    for _ in range(leasing.BUSY - 1):
        claim()
    return undone(_sent(claim)), undone(whole)


@contextmanager
def _held_snapshot() -> Iterator[None]:
    """Let another session keep the rows of this moment alive."""
    with psycopg.connect(database_url(), autocommit=True) as other:
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        other.execute("SELECT count(*) FROM cycles_desk")
        yield
        other.execute("ROLLBACK")


def begin_cycles() -> None:
    """Write what is due now: of each role a tenth to be retried, a tenth whose worker is gone."""
    template = str(builders.cycle().pk)
    for status in ("STARTED", "REBALANCING_IN_PROGRESS"):
        left = {"lease_owner": "'gone'", "lease_expires_at": "now() - interval '1 second'"}
        copy_cycles(template, DUE * 8 // 10 - (status == "STARTED"), status, "-4 seconds")
        copy_cycles(template, DUE // 10, "RETRY_PENDING", "-3 seconds", retry_of(status))
        copy_cycles(template, DUE // 10, status, "-2 seconds", left)


def retry_of(status: str) -> dict[str, str]:
    """Give the columns of one that waits to be retried in a status."""
    return {"resume_status": f"'{status}'", "next_retry_at": "now()"}


def _sleep_cycles(number: int) -> None:
    """Add cycles whose time is yet to come, half of each role's; half of those wait to be retried."""
    for status in ("STARTED", "AWAITING_REBALANCE"):
        copy_cycles(_any_cycle(), number // 4, status, "1 day")
        copy_cycles(_any_cycle(), number // 4, "RETRY_PENDING", "1 day", retry_of(status))
    settle_statistics("cycles_cycle")


def _end_cycles(total: int) -> None:
    """Fill up with ended cycles."""
    copy_cycles(_any_cycle(), total - count("cycles_cycle"), "COMPLETED", None)
    settle_statistics("cycles_cycle")


def copy_cycles(
    template: str,
    number: int,
    status: str,
    wakes_in: str | None,
    more: Mapping[str, str] | None = None,
) -> None:
    """Copy a row `number` times, as rows that came to their status long ago."""
    is_final = status == "COMPLETED"
    changed = copying.copied_ids(count("cycles_cycle")) | {
        "status": f"'{status}'",
        "return_asset": "'XRP'",
        "wake_at": f"now() + interval '{wakes_in}' + g * interval '1 ms'" if wakes_in else "NULL",
        "ended_at": "now() - interval '2 days' - g * interval '1 second'" if is_final else "NULL",
    }
    with planted():
        copy("cycles_cycle", number, changed | dict(more or {}), where=f"t.id = '{template}'")


def _grow_samples(total: int) -> None:
    """Fill up with samples of five assets, one a second each, the newest just now."""
    if not count("cycles_premiumsample"):
        for asset in ("BTC", "ETH", "SOL", "USDT", "XRP"):
            builders.sample(asset)
    missing = total - count("cycles_premiumsample")
    templates = "t.id IN (SELECT min(id) FROM cycles_premiumsample GROUP BY asset)"
    changed = copying.OWN_ID | {"at": "now() - g * interval '1 second'"}
    copy("cycles_premiumsample", missing // 5, changed, where=templates)
    settle_statistics("cycles_premiumsample")


def settle_statistics(table: str) -> None:
    """Take statistics, and leave no entry of a row that is gone, as VACUUM does while they are few."""
    await_no_snapshot()
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM (ANALYZE, INDEX_CLEANUP ON) {table}")


def _any_cycle() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM cycles_cycle WHERE code LIKE 'CYC-%' ORDER BY id LIMIT 1")
        row: Any = cursor.fetchone()
    return str(row[0])
