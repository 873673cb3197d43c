"""Cycles that ended at a given time, by the hundred: the product's own end when they end."""

from __future__ import annotations

from uuid import UUID

from django.db import connection, transaction

from cycles.domain.words import CycleStatus
from tests import builders
from tests.benchmarks.copying import COPIES, copied_ids, copy, copy_whole, count
from tests.planting import planted


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


def plant_whole(template: UUID, number: int) -> None:
    """Add so many that ended yesterday, with all that hangs on the template, and empty accounts; takes statistics."""
    with planted():
        copy_whole(template, number)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET LOCAL session_replication_role = replica")
        of = f"SELECT id FROM cycles_cycle WHERE code LIKE '{COPIES}%'"
        cursor.execute(f"UPDATE cycles_account SET balance = 0 WHERE cycle_id IN ({of})")
        cursor.execute(
            "UPDATE cycles_cycle SET status = 'COMPLETED', wake_at = NULL, "
            f"ended_at = now() - interval '1 day' WHERE id IN ({of})"
        )
        cursor.execute("SET LOCAL session_replication_role = origin")
    settle()


def settle() -> None:
    """Take statistics, and let no index be larger by what other tests left dead in it."""
    with connection.cursor() as cursor:
        cursor.execute("REINDEX TABLE cycles_cycle")
        cursor.execute("ANALYZE")
