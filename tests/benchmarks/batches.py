"""What the sweeps over dead letters and open calls choose by: a batch each, of so many however large the tables are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from django.db import connection
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from cycles.domain import postings
from cycles.domain.words import AccountOwner, CallOutcome, PostingKind
from cycles.models import Cycle, ExchangeCall, SweepMark
from cycles.services import booking, dead_letters, reconciling, rotating
from tests import builders
from tests.benchmarks.copying import COPIES, copy_whole
from tests.benchmarks.explaining import as_the_cluster, undone
from tests.planting import planted

DEAD = 50  # each owns coins, and has a call whose outcome is unknown
FEW_PAGES = 200
CHOOSES: Mapping[str, Callable[[], Sequence[Model]]] = {
    "choosing, by the sweep of dead letters": lambda: rotating.batch(
        dead_letters.SWEEP, dead_letters._candidates(), dead_letters.BATCH
    ),
    "choosing, by the sweep of open calls": lambda: rotating.batch(
        reconciling.SWEEP, reconciling._whole(reconciling._not_held()), reconciling.BATCH
    ),
}


def begin() -> None:
    """Write the dead letters, and marks of runs that came to their middle."""
    row = builders.dead_letter()
    builders.order_call(row, CallOutcome.UNKNOWN)
    coins = postings.moved(
        "binance", "XRP", Decimal(2000), origin=AccountOwner.CONVERSION, target=AccountOwner.CYCLE
    )
    booking.post(f"bought:{row.code}", PostingKind.FILL, coins, cycle=row)
    with planted():
        copy_whole(row.pk, DEAD - 1)
    dead = Cycle.objects.filter(status="DEAD_LETTER", code__startswith=COPIES).order_by("pk")
    call = ExchangeCall.objects.filter(outcome="UNKNOWN").order_by("pk")[DEAD // 2]
    last = {dead_letters.SWEEP: dead[DEAD // 2].pk, reconciling.SWEEP: call.pk}
    SweepMark.objects.bulk_create(SweepMark(sweep=of, last=str(pk)) for of, pk in last.items())


def pages() -> dict[str, int]:
    """Give the pages that choosing takes in a session of the cluster; refuses a plan that reads a large table whole."""
    found = {}
    for what, choose in CHOOSES.items():
        with CaptureQueriesContext(connection) as seen:
            chosen = choose()
        assert len(chosen) == DEAD, f"{what} finds {len(chosen)}"
        with as_the_cluster():
            plan = undone(seen.captured_queries[-1]["sql"])
        assert not plan.scans & large_tables(), f"{what} is by a scan: {plan}"
        found[what] = plan.buffers
    return found


def large_tables() -> set[str]:
    """Give the tables that are too large to be read whole; of a few pages a scan is the better plan."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace "
            "AND pg_relation_size(oid) > %s * current_setting('block_size')::bigint",
            [FEW_PAGES],
        )
        return {name for (name,) in cursor.fetchall()}
