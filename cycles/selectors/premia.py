"""Premia as the feeder sampled them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Avg, DateTimeField, F, Func, QuerySet, Value
from django.db.models.expressions import RawSQL

from cycles.models import PremiumSample

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COLUMNS = (
    "outbound_traded_bps",
    "return_traded_bps",
    "outbound_official_bps",
    "return_official_bps",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PremiumPoint:
    """The means of one bucket that begins at `at`, bps, positive if Korea is dearer; None: unknown."""

    at: datetime
    outbound_traded_bps: Decimal | None
    return_traded_bps: Decimal | None
    outbound_official_bps: Decimal | None
    return_official_bps: Decimal | None


def premium_series(
    asset: str, since: datetime, *, bucket: timedelta = MINUTE
) -> list[PremiumPoint]:
    """Give an asset's premia since an instant, oldest first, averaged over buckets."""
    start = Func(
        Value(bucket), F("at"), Value(EPOCH), function="date_bin", output_field=DateTimeField()
    )
    means: dict[str, Any] = {f"mean_{column}": Avg(column) for column in COLUMNS}
    rows: Iterable[Mapping[str, Any]] = (
        PremiumSample.objects.filter(asset=asset, at__gte=since)
        .order_by()
        .annotate(start=start)
        .values("start")
        .annotate(**means)
        .order_by("start")
    )
    return [
        PremiumPoint(at=row["start"], **{column: row[f"mean_{column}"] for column in COLUMNS})
        for row in rows
    ]


def first_sample_at(asset: str, since: datetime) -> datetime | None:
    """Give when an asset's first sample since an instant was taken, None if there was none."""
    rows = PremiumSample.objects.filter(asset=asset, at__gte=since).order_by("at")
    return rows.values_list("at", flat=True).first()


# One step along the index per asset: DISTINCT ON would read every sample ever taken.
NEWEST = """
WITH RECURSIVE named AS (
    (SELECT asset FROM cycles_premiumsample ORDER BY asset LIMIT 1)
    UNION ALL
    SELECT (SELECT asset FROM cycles_premiumsample WHERE asset > named.asset ORDER BY asset LIMIT 1)
      FROM named WHERE named.asset IS NOT NULL
)
SELECT (SELECT id FROM cycles_premiumsample s WHERE s.asset = named.asset ORDER BY at DESC LIMIT 1)
  FROM named WHERE named.asset IS NOT NULL
"""


def latest_samples() -> QuerySet[PremiumSample]:
    """Give the newest sample of each asset, by asset; as quick with millions of rows as with ten."""
    newest = RawSQL(NEWEST, [])  # noqa: S611  a constant without parameters
    return PremiumSample.objects.filter(pk__in=newest).order_by("asset")
