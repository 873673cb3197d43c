"""Cycles and what they earned by status, without reading all that ever ended: rolled up to an instant, live from it on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Count, DateTimeField, Func, QuerySet, Sum, Value
from django.db.models.functions import Now

from cycles import conf
from cycles.domain.words import CycleStatus
from cycles.models import Cycle, EndedTotal
from cycles.models.cycle import FINAL_STATUSES
from cycles.models.fields import money

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """How many cycles, and what they realised."""

    count: int = 0
    usdt: Decimal = ZERO
    krw: Decimal = ZERO

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            count=self.count + other.count, usdt=self.usdt + other.usdt, krw=self.krw + other.krw
        )


def sums_by_status() -> dict[str, Sums]:
    """Give every status; only what has ended has realised anything.

    What is open and what ended since the roll-up are one statement: a cycle that ends meanwhile is in one of both. The
    roll-up may go on between that statement and the one before: what it came to up to its instant stays true.
    """
    totals = list(EndedTotal.objects.all())
    live = _by_status(Cycle.objects.exclude(status__in=FINAL_STATUSES), earned=Value(ZERO))
    live = live.union(_by_status(ended_after(rolled_up_to(totals))), all=True)
    found = dict.fromkeys(CycleStatus.values, Sums())
    for row in totals:
        found[row.status] += Sums(
            count=row.count, usdt=row.realised_pnl_usdt, krw=row.realised_pnl_krw
        )
    for status, sums in _read(live):
        found[status] += sums
    return found


def sums_of_ended(cycles: QuerySet[Cycle]) -> dict[str, Sums]:
    """Give what some cycles that have ended come to, for each final status."""
    return dict.fromkeys(FINAL_STATUSES, Sums()) | dict(_read(_by_status(cycles)))


def rolled_up_to(totals: Iterable[EndedTotal]) -> datetime | None:
    """Give the instant that the roll-up has come to; None before its first run."""
    return max((row.up_to for row in totals), default=None)


def ended_after(instant: datetime | None) -> QuerySet[Cycle]:
    """Choose what ended after an instant, or at all."""
    ended = Cycle.objects.filter(ended_at__isnull=False)
    return ended.filter(ended_at__gt=instant) if instant else ended


def midnight(at: Any = None) -> Func:
    """Give the last midnight of the display's time zone, by the database's clock; comparable with an instant."""
    # Not TruncDay: that gives the wall's time, which the server takes for its own zone's when it compares.
    zone = str(conf.display_time_zone())
    given = (Value("day"), at or Now(), Value(zone))
    return Func(*given, function="date_trunc", output_field=DateTimeField())


def _by_status(cycles: QuerySet[Cycle], *, earned: Value | None = None) -> QuerySet[Any, Any]:
    """Count by status (not a column: the index alone is read where it can be), with what was earned."""
    exact = money()
    usdt, krw = (
        Sum(earned or column, default=ZERO, output_field=exact)
        for column in ("realised_pnl_usdt", "realised_pnl_krw")
    )
    rows = cycles.order_by().values_list("status")
    return rows.annotate(n=Count("*"), usdt=usdt, krw=krw)


def _read(rows: Iterable[tuple[str, int, Decimal, Decimal]]) -> Iterable[tuple[str, Sums]]:
    return ((status, Sums(count=n, usdt=usdt, krw=krw)) for status, n, usdt, krw in rows)
