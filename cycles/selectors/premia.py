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
    asset: str, since: datetime, *, korea_venue: str, bucket: timedelta = MINUTE
) -> list[PremiumPoint]:
    """Give an asset's premia at a Korean venue since an instant, oldest first, averaged over buckets."""
    start = Func(
        Value(bucket), F("at"), Value(EPOCH), function="date_bin", output_field=DateTimeField()
    )
    means: dict[str, Any] = {f"mean_{column}": Avg(column) for column in COLUMNS}
    rows: Iterable[Mapping[str, Any]] = (
        PremiumSample.objects.filter(asset=asset, korea_venue=korea_venue, at__gte=since)
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


def first_sample_at(asset: str, since: datetime, *, korea_venue: str) -> datetime | None:
    """Give when an asset's first sample at a venue since an instant was taken, None if there was none."""
    rows = PremiumSample.objects.filter(asset=asset, korea_venue=korea_venue, at__gte=since)
    return rows.order_by("at").values_list("at", flat=True).first()


# One step along the index per asset and venue: DISTINCT ON would read every sample ever taken.
NEWEST = """
WITH RECURSIVE named AS (
    (SELECT asset, korea_venue FROM cycles_premiumsample ORDER BY asset, korea_venue LIMIT 1)
    UNION ALL
    SELECT after.* FROM named, LATERAL (
        SELECT asset, korea_venue FROM cycles_premiumsample s
         WHERE (s.asset, s.korea_venue) > (named.asset, named.korea_venue)
         ORDER BY asset, korea_venue LIMIT 1
    ) after
)
SELECT (SELECT id FROM cycles_premiumsample s
         WHERE s.asset = named.asset AND s.korea_venue = named.korea_venue
         ORDER BY at DESC LIMIT 1)
  FROM named
"""


def latest_samples() -> QuerySet[PremiumSample]:
    """Give the newest sample of each asset at each Korean venue; as quick with millions of rows as with ten."""
    newest = RawSQL(NEWEST, [])  # noqa: S611  a constant without parameters
    return PremiumSample.objects.filter(pk__in=newest).order_by("asset", "korea_venue")
