"""Adds up what has ended, so that whoever asks for counts and P&L does not read every cycle that ever ended.

What has ended never changes, so it is added once. The instant up to which that was done never passes one at
which a cycle may still come to have ended: what ends is seen later than it ended, when its transaction commits.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from cycles.models import EndedTotal
from cycles.selectors import sums

BATCH = 20_000  # cycles a transaction
# More than the clocks of servers that stand in for one another differ.
SETTLES = timedelta(hours=1)
# A commit that waits for a lost standby may take longer than any limit: what still writes, has begun before its cycle ended.
_SETTLED = """
SELECT least(statement_timestamp() - make_interval(secs => %s), (
    SELECT min(xact_start) FROM pg_stat_activity
     WHERE datname = current_database() AND backend_xid IS NOT NULL))
"""


def add_up() -> int:
    """Add the next batch of what has ended to the totals; gives how many. The caller has locked the roll-up's mark."""
    _forget_what_a_clock_that_was_set_back_has_passed()
    totals = {row.status: row for row in EndedTotal.objects.all()}
    up_to = sums.rolled_up_to(totals.values())
    due = sums.ended_after(up_to).filter(ended_at__lte=_settled_to())
    ends: list[Any] = list(due.order_by("ended_at").values_list("ended_at", flat=True)[:BATCH])
    if not ends:
        return 0
    found = sums.sums_of_ended(due.filter(ended_at__lte=ends[-1]))
    rows = [_total(totals.get(status), status, ends[-1], one) for status, one in found.items()]
    EndedTotal.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["status"],
        update_fields=["up_to", "count", "realised_pnl_usdt", "realised_pnl_krw"],
    )  # fmt: skip
    return sum(one.count for one in found.values())


def _forget_what_a_clock_that_was_set_back_has_passed() -> None:
    """Begin anew where the totals reach beyond what had settled by now: cycles end once more at instants they hold."""
    EndedTotal.objects.filter(up_to__gt=Now() - SETTLES).delete()


def _total(before: EndedTotal | None, status: str, up_to: datetime, found: sums.Sums) -> EndedTotal:
    row = before or EndedTotal(status=status)
    row.up_to = up_to
    row.count += found.count
    row.realised_pnl_usdt += found.usdt
    row.realised_pnl_krw += found.krw
    return row


def _settled_to() -> datetime:
    """Give the instant at which, or before which, nothing can come to have ended any more."""
    with connection.cursor() as cursor:
        cursor.execute(_SETTLED, [SETTLES.total_seconds()])
        settled: datetime = cursor.fetchone()[0]
    return settled
