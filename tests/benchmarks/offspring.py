"""Cycles with all that hangs on them (steps, a call, its fill, transitions, postings), and what reading that of one of them takes.

Ended cycles are copied without any of it, ten million of them; so these stand beside them, fewer, and are told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from uuid import UUID

from django.db import connection
from django.db.models.functions import Now

from cycles import selectors
from cycles.domain.words import CallOutcome
from cycles.models import ExchangeCall, Fill
from tests import builders
from tests.benchmarks.copying import copy_whole, count
from tests.benchmarks.explaining import buffers
from tests.planting import planted

TABLES = (
    "cycles_step", "cycles_exchangecall", "cycles_fill", "cycles_transition", "cycles_posting", "cycles_entry",
)  # fmt: skip
OPEN = (CallOutcome.INTENDED, CallOutcome.UNKNOWN)


def begun() -> UUID:
    """Give the cycle that the others are copies of, with a call and its fill; a dead letter, so that none is ever due."""
    row = builders.dead_letter()
    builders.hand_over(row)  # as of one that has ended: most books are of such
    call = builders.order_call(row, venue_order_id="1", is_settled=True, noted_at=Now())
    Fill.objects.create(
        cycle=row, call=call, venue=call.venue, market="XRP/USDT", side="buy", venue_fill_id="1",
        price=Decimal("2.5"), quantity=Decimal(2000), notional=Decimal(5000), fee_asset="XRP", at=Now(),
    )  # fmt: skip
    return row.pk


def grow(template: UUID, total: int) -> None:
    """Fill up with such cycles, and take statistics of what hangs on them."""
    with planted():
        copy_whole(template, total - count("cycles_fill"))
    with connection.cursor() as cursor:
        cursor.execute(f"VACUUM (ANALYZE) {', '.join(TABLES)}")


def counts() -> dict[str, int]:
    """Count the rows that hang on cycles, by table."""
    return {table.removeprefix("cycles_"): count(table) for table in TABLES}


def pages() -> dict[str, int]:
    """Give the pages that reading what hangs on one of them takes; refuses a plan that reads a whole table of it."""
    call = ExchangeCall.objects.order_by("pk").select_related("cycle")[count("cycles_fill") // 2]
    cycle = call.cycle
    reads: Mapping[str, Callable[[], object]] = {
        "a cycle's open call": lambda: list(
            ExchangeCall.objects.filter(cycle=cycle, outcome__in=OPEN)
        ),
        "a call by our own id": lambda: ExchangeCall.objects.get(
            client_order_id=call.client_order_id
        ),
        "a call's fills": lambda: list(call.fills.all()),
        "a cycle's transitions": lambda: list(cycle.transitions.all()),
        "a cycle's postings with their entries": lambda: list(selectors.ledger_of(cycle)),
        "a cycle's whole timeline": lambda: selectors.timeline(cycle),
    }
    return {what: buffers(read, never_whole=TABLES) for what, read in reads.items()}
