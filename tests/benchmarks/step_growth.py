"""What a durable step reads beside the steps, calls and accounts of many other cycles, by plans that a small desk made.

One session does it all, as a pooled connection does: its plans are as old as the first steps, and no statistics were
taken since: autovacuum is kept off. Measured once more after a VACUUM (ANALYZE) at each size, which lets rows go where there
is room. Pages, not milliseconds, tell whether it stays flat.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection

from cycles import conf
from cycles.domain.words import Channel, Role
from cycles.models import Cycle, ExchangeCall
from cycles.services import leasing, stepping
from cycles.services.intervening import Actor
from cycles.services.locking import MODE_LOCK
from tests import builders
from tests.benchmarks import durable, place, statements, step_rows, worked
from tests.benchmarks.explaining import (
    as_a_worker,
    await_no_snapshot,
    explained,
    unhurried,
    unvacuumed,
)
from tests.benchmarks.findings import Figure, Findings, median

STEPS = 9  # of which the first make the session's plans
WARM = 4
ROUNDS = 3  # a row finds its page full, and goes into each index, where somebody's snapshot kept old versions
VACUUMED = ", all tables just vacuumed"


def run(*, sizes: tuple[int, int]) -> Findings:
    """Take steps beside few whole cycles, then beside many; and each again on tables that were just vacuumed."""
    small, large = sizes
    done: list[dict[str, Any]] = []
    with _desk(small):
        few_vacuumed = _pages_vacuumed(done)
    with _desk(small) as actor:
        few = _pages(done)
        durable.open_cycles(large - small, actor)
        many, many_vacuumed = _pages(done), _pages_vacuumed(done)
    figures = [
        Figure(
            what=f"{what}{when}, {large:,} whole cycles", value=pages, unit="buffers",
            reference=f"{small:,} cycles", reference_value=before[what], aim="ratio <= 1.2",
        )
        for when, before, after in (("", few, many), (VACUUMED, few_vacuumed, many_vacuumed))
        for what, pages in after.items()
    ]  # fmt: skip
    work = {"cycles": sizes, "done": done}
    return Findings(name="steps beside many cycles", figures=tuple(figures), work=work)


@contextmanager
def _desk(cycles: int) -> Iterator[Actor]:
    """Give a desk with so many cycles, which nobody vacuums, and a session that plans as workers' do."""
    with place.desk(), unhurried(), unvacuumed(), as_a_worker():
        actor = Actor(user=builders.person("bench", "administrator"), channel=Channel.COMMAND)
        durable.open_cycles(cycles, actor)
        yield actor


def _pages_vacuumed(done: list[dict[str, Any]]) -> dict[str, float]:
    with connection.cursor() as cursor:
        cursor.execute("VACUUM (ANALYZE)")
    return _pages(done)


def _pages(done: list[dict[str, Any]]) -> dict[str, float]:
    """Give the fewest pages that an intent and a settlement read in any round: what grew is read in each of them.

    Adds the fingerprint of the steps to what was `done`.
    """
    newest = worked.newest_call()
    rounds = [_round() for _ in range(ROUNDS)]
    done.append(worked.since(newest))
    return {what: min(pages[what] for pages in rounds) for what in rounds[0]}


def _round() -> dict[str, float]:
    """Take a few steps and give the pages that an intent and a settlement read."""
    await_no_snapshot()
    leases = leasing.claim(Role.INITIATOR, "bench", limit=STEPS)
    intents, settlements = [], []
    for lease, row in zip(leases, step_rows.buys_of(leases), strict=True):
        intent = explained(stepping.INTEND, [MODE_LOCK, row["intent"], True])
        call = ExchangeCall.objects.get(cycle=lease.cycle_id)
        settled = row["settled"].replace(str(step_rows.CALL), str(call.pk))
        settlement = explained(stepping.SETTLE, [settled, conf.lease_seconds(), True])
        assert ExchangeCall.objects.get(pk=call.pk).is_settled
        intents.append(intent.buffers)
        settlements.append(settlement.buffers)
    statements.put_away(Cycle.objects.filter(pk__in=[lease.cycle_id for lease in leases]))
    return {"an intent": median(intents[WARM:]), "a settlement": median(settlements[WARM:])}
