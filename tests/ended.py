"""Cycles that ended at a given time, by the hundred: the product's own end when they end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from cycles.domain.words import CycleStatus
from cycles.models import Cycle
from cycles.services import moving
from tests import builders
from tests.benchmarks.copying import copied_ids, copy, copy_whole, count
from tests.benchmarks.explaining import explained
from tests.planting import planted

GROWN = (
    "cycles_cycle", "cycles_step", "cycles_account", "cycles_exchangecall", "cycles_fill", "cycles_transition",
    "cycles_posting", "cycles_entry",
)  # fmt: skip


def plant(
    number: int, ago: str, *, pnl_usdt: int = 1, status: CycleStatus = CycleStatus.COMPLETED
) -> None:
    """Add so many, the first of which ended so long `ago`, each a microsecond before the one before it."""
    template = builders.cycle()
    changed = copied_ids(count("cycles_cycle")) | {
        "status": f"'{status}'",
        "wake_at": "NULL",
        "ended_at": f"now() - interval '{ago}' - g * interval '1 us'",
        "realised_pnl_usdt": f"{pnl_usdt}",
        "realised_pnl_krw": f"{pnl_usdt * 1400}",
    }
    with planted():
        copy("cycles_cycle", number, changed, where=f"t.id = '{template.pk}'")


def with_nothing() -> Cycle:
    """Open a cycle that owns nothing, and end it: nothing is posted."""
    with transaction.atomic():
        row = Cycle.objects.create(**builders._opening("XRP", Decimal(0)))
        opened = {"event": "opened", "actor": "test", "reason": ""}
        moving.write_transition(row, "", CycleStatus.STARTED, **opened)
    return builders.moved_to(row, CycleStatus.FAILED)


def plant_whole(template: Cycle, number: int) -> None:
    """Add so many that ended yesterday, with all that hangs on the template and empty accounts; nothing asks what it is."""
    as_it_was = {name: getattr(template, name) for name in ("status", "wake_at", "ended_at")}
    row = Cycle.objects.filter(pk=template.pk)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "SET LOCAL enable_nestloop = off"
        )  # by statistics of nearly empty tables it would copy for minutes
        row.update(status=CycleStatus.COMPLETED, wake_at=None, ended_at=Now() - timedelta(hours=26))
        copy_whole(template.pk, number)
        row.update(**as_it_was)
        cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute("SET LOCAL enable_nestloop = on")


def pages(work: Callable[[], object]) -> tuple[int, set[str]]:
    """Give how many pages all SELECTs of some work touch, and which tables they read whole."""
    with CaptureQueriesContext(connection) as seen:
        work()
    texts = [q["sql"] for q in seen.captured_queries]
    plans = [explained(text) for text in texts if text.startswith(("SELECT", "WITH", "(SELECT"))]
    assert plans, "nothing was read"
    return sum(plan.buffers for plan in plans), {name for plan in plans for name in plan.scans}


def settle() -> None:
    """Take statistics, and let no index be larger by what other tests left dead in it.

    Of our tables by name: what all databases of the server share stays locked until the test ends.
    """
    with connection.cursor() as cursor:
        for table in ("cycles_cycle", "cycles_account", "cycles_exchangecall"):
            cursor.execute(f"REINDEX TABLE {table}")
        for table in (*GROWN, "cycles_endedtotal"):
            cursor.execute(f"ANALYZE {table}")
