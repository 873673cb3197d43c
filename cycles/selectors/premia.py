"""Premia as the feeder sampled them, and as they were rolled up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from cycles.models import PremiumHour, PremiumMinute, PremiumSample

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
# A feeder's rows, and what they are rolled up into.
Rows = type[PremiumSample] | type[PremiumMinute] | type[PremiumHour]
TABLES: Mapping[Rows, str] = {
    PremiumSample: "cycles_premiumsample",
    PremiumMinute: "cycles_premiumminute",
    PremiumHour: "cycles_premiumhour",
}
# How the columns of the roll-up's mark about them begin.
GRAINS: Mapping[Rows, str] = {
    PremiumSample: "samples",
    PremiumMinute: "minutes",
    PremiumHour: "hours",
}
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
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
    """Give an asset's premia at a Korean venue since an instant, oldest first, averaged over buckets.

    Read from the coarsest grain that the buckets are made of: hours, minutes, or the samples themselves;
    what is newer than the roll-up from the samples.
    """
    grain, length = _coarsest(bucket)
    begin = since if grain is PremiumSample else since - (since - EPOCH) % length
    facts: dict[str, Any] = {"asset": asset, "korea_venue": korea_venue, "columns": list(COLUMNS)}
    facts |= {"since": begin, "bucket": bucket, "epoch": EPOCH}
    with connection.cursor() as cursor:
        cursor.execute(SERIES[grain], facts)
        rows = cursor.fetchall()
    return [PremiumPoint(at=at, **dict(zip(COLUMNS, means, strict=True))) for at, *means in rows]


def _coarsest(bucket: timedelta) -> tuple[Rows, timedelta]:
    """Give the coarsest grain that whole buckets can be made of, and its length."""
    if not bucket % HOUR:
        return PremiumHour, HOUR
    return (PremiumSample, timedelta()) if bucket % MINUTE else (PremiumMinute, MINUTE)


_MEAN = (
    "round(sum(total) FILTER (WHERE measure = '{measure}')"
    " / sum(count) FILTER (WHERE measure = '{measure}'), 8)"
)
_MEANS = """
SELECT date_bin(%(bucket)s, at, %(epoch)s) AS bucket, {pivot}
  FROM ({rows}) read(at, measure, total, count)
 GROUP BY bucket ORDER BY bucket
"""
_SAMPLES = """
    SELECT at, measure, value, (value IS NOT NULL)::int
      FROM cycles_premiumsample CROSS JOIN LATERAL (VALUES {values}) m(measure, value)
     WHERE asset = %(asset)s AND korea_venue = %(korea_venue)s AND at >= {since}
"""
# The newest bucket may not be whole yet: from its beginning on samples are read.
_ROLLED = """
    WITH newest AS MATERIALIZED (
        SELECT greatest(max(last.at), %(since)s) AS at
          FROM unnest(%(columns)s::text[]) m(measure) CROSS JOIN LATERAL (
               SELECT at FROM {table} t
                WHERE t.asset = %(asset)s AND t.korea_venue = %(korea_venue)s
                  AND t.measure = m.measure ORDER BY at DESC LIMIT 1) last
    )
    SELECT t.at, t.measure, t.total, t.count
      FROM unnest(%(columns)s::text[]) m(measure) JOIN {table} t ON t.measure = m.measure
     WHERE t.asset = %(asset)s AND t.korea_venue = %(korea_venue)s
       AND t.at >= %(since)s AND t.at < (SELECT at FROM newest)
     UNION ALL {samples}
"""


def _statement(grain: Rows) -> str:
    """Write what reads a series: sums and counts from a roll-up as far as it goes, then from samples."""
    pivot = ", ".join(_MEAN.format(measure=one) for one in COLUMNS)
    values = ", ".join(f"('{one}', {one})" for one in COLUMNS)
    rows = _SAMPLES.format(values=values, since="%(since)s")
    if grain is not PremiumSample:
        tail = _SAMPLES.format(values=values, since="(SELECT at FROM newest)")
        rows = _ROLLED.format(table=TABLES[grain], samples=tail)
    return _MEANS.format(pivot=pivot, rows=rows)


SERIES = {grain: _statement(grain) for grain in TABLES}
_FIRST = "SELECT least({firsts})"
# What is older was deleted, and has entries in the index until it is vacuumed.
_FIRST_OF = (
    "(SELECT at FROM {table} WHERE asset = %(asset)s AND korea_venue = %(korea_venue)s AND {measure}"
    " at >= (SELECT greatest(%(since)s, max({grain}_since)) FROM cycles_rollupmark) ORDER BY at LIMIT 1)"
)


def first_sample_at(asset: str, since: datetime, *, korea_venue: str) -> datetime | None:
    """Give when an asset's first sample at a venue since an instant was taken, None if there was none.

    Where its samples are gone already: when the minute, or the hour, began that it was rolled up into.
    """
    statement = _FIRST.format(firsts=", ".join(_first_of(grain) for grain in TABLES))
    with connection.cursor() as cursor:
        cursor.execute(statement, {"asset": asset, "korea_venue": korea_venue, "since": since})
        (first,) = cursor.fetchone()
    return first if isinstance(first, datetime) else None


def _first_of(grain: Rows) -> str:
    measure = "" if grain is PremiumSample else f"measure = '{COLUMNS[0]}' AND"
    return _FIRST_OF.format(table=TABLES[grain], measure=measure, grain=GRAINS[grain])


# One step along the index per series, to its newest row: DISTINCT ON would read every row ever written, and
# the oldest have gone, which leaves entries in the index until it is vacuumed.
_SERIES = """
WITH RECURSIVE named AS (
    (SELECT {read} FROM {table} ORDER BY {ordered} LIMIT 1)
    UNION ALL
    SELECT after.* FROM named, LATERAL (
        SELECT {read} FROM {table} s WHERE ({of_s}) {beyond} ({of_named}) ORDER BY {ordered} LIMIT 1
    ) after
)
SELECT {told} FROM named
"""


def _series(rows: Rows, *, told: str = "") -> str:
    """Write the statement that gives what distinguishes a table's series, or another column of each one's newest row."""
    key = _key(rows)
    of_s, of_named = (", ".join(f"{name}.{one}" for one in key) for name in ("s", "named"))
    # Of a sample's series the index has the newest first, of a roll-up's last.
    if rows is PremiumSample:
        beyond, ordered = ">", f"{', '.join(key)}, at DESC"
    else:
        beyond, ordered = "<", f"{' DESC, '.join(key)} DESC, at DESC"
    named = ", ".join(key)
    return _SERIES.format(
        table=TABLES[rows], read=f"{named}, {told}" if told else named, told=told or named,
        ordered=ordered, beyond=beyond, of_s=of_s, of_named=of_named,
    )  # fmt: skip


def _key(rows: Rows) -> tuple[str, ...]:
    return ("asset", "korea_venue", *(() if rows is PremiumSample else ("measure",)))


NEWEST = _series(PremiumSample, told="id")


def series_of(rows: Rows) -> list[Mapping[str, str]]:
    """Give what distinguishes the series that a table holds; as quick with millions of rows as with ten."""
    key = _key(rows)
    with connection.cursor() as cursor:
        cursor.execute(_series(rows))
        return [dict(zip(key, found, strict=True)) for found in cursor.fetchall()]


# By id, whatever the planner thinks: an index that knows instants would lead over all that was deleted.
_OF_NEW = "SELECT min(at) FROM (SELECT at FROM {table} WHERE id > %s OFFSET 0) new WHERE at >= %s AND at < %s"


def oldest_of_new(rows: Rows, known_to: int, low: datetime, high: datetime) -> datetime | None:
    """Give the oldest instant, from one up to another, of the rows that have come above an id."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_NEW.format(table=TABLES[rows]), [known_to, low, high])
        (first,) = cursor.fetchone()
    return first if isinstance(first, datetime) else None


def latest_samples() -> QuerySet[PremiumSample]:
    """Give the newest sample of each asset at each Korean venue; as quick with millions of rows as with ten."""
    newest = RawSQL(NEWEST, [])  # noqa: S611  a constant without parameters
    return PremiumSample.objects.filter(pk__in=newest).order_by("asset", "korea_venue")
