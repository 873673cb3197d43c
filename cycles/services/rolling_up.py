"""Rolls samples up to minutes and hours, and ended cycles to totals, by set statements; running twice, late or after a crash is harmless.

A bucket is always made anew of everything in it, so it does not matter how often, nor in which order, samples
come. One that comes after others of its bucket were pruned is left out: the bucket stays as it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import timedelta

from django.db import connection
from django.db.models import F, Max, Q
from django.db.models.functions import Greatest, Least, Now

from cycles.models import PremiumSample, RollUpMark
from cycles.models.roll_up import MEASURES
from cycles.services import totalling
from cycles.services.locking import in_transaction, locked

BATCH = 20_000  # samples a transaction
LONGEST_SECONDS = 25  # of one run; the next goes on where it left off
# Longer than any statement of a feeder: whoever was given an id before has committed it by then, or never will.
SETTLES = timedelta(seconds=60)

_VALUES = ", ".join(f"('{name}', s.{name})" for name in MEASURES)
# Each bucket is read by the index of its series, whatever the planner thinks of the table's size.
_MERGED = """
WITH touched AS (
    SELECT DISTINCT asset, korea_venue, date_trunc('{grain}', at, 'UTC') AS at
      FROM cycles_premiumsample WHERE id > %(after)s AND id <= %(up_to)s
)
INSERT INTO {target} AS old
       (at, asset, korea_venue, measure, count, first, last, low, high, total)
SELECT t.at, t.asset, t.korea_venue, bucket.*
  FROM touched t CROSS JOIN LATERAL ({bucket}) bucket
 WHERE t.at >= (SELECT coalesce({since}, '-infinity') FROM cycles_rollupmark)
    ON CONFLICT (asset, korea_venue, measure, at) DO UPDATE
   SET (count, first, last, low, high, total) = (
       excluded.count, excluded.first, excluded.last, excluded.low, excluded.high, excluded.total)
 WHERE (old.count, old.first, old.last, old.low, old.high, old.total) IS DISTINCT FROM (
       excluded.count, excluded.first, excluded.last, excluded.low, excluded.high, excluded.total)
"""
_MINUTE = f"""
    SELECT m.measure, count(*),
           (array_agg(m.value ORDER BY s.at, s.id))[1],
           (array_agg(m.value ORDER BY s.at DESC, s.id DESC))[1],
           min(m.value), max(m.value), sum(m.value)
      FROM cycles_premiumsample s CROSS JOIN LATERAL (VALUES {_VALUES}) m(measure, value)
     WHERE s.asset = t.asset AND s.korea_venue = t.korea_venue
       AND s.at >= t.at AND s.at < t.at + interval '1 minute' AND m.value IS NOT NULL
     GROUP BY m.measure
"""  # noqa: S608  our own names of columns
_HOUR = f"""
    SELECT m.measure, sum(m.count),
           (array_agg(m.first ORDER BY m.at))[1], (array_agg(m.last ORDER BY m.at DESC))[1],
           min(m.low), max(m.high), sum(m.total)
      FROM (VALUES {", ".join(f"('{name}')" for name in MEASURES)}) v(measure)
      JOIN cycles_premiumminute m ON m.measure = v.measure
     WHERE m.asset = t.asset AND m.korea_venue = t.korea_venue
       AND m.at >= t.at AND m.at < t.at + interval '1 hour'
     GROUP BY m.measure
"""  # noqa: S608  our own names
MINUTES = _MERGED.format(
    grain="minute", target="cycles_premiumminute", bucket=_MINUTE, since="samples_since"
)
HOURS = _MERGED.format(
    grain="hour", target="cycles_premiumhour", bucket=_HOUR, since="minutes_since"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledUp:
    """What a run read. `is_behind`: there is more, which the next run takes on. `cycles`: that have ended."""

    samples: int
    is_behind: bool
    cycles: int = 0


def roll_up() -> RolledUp:
    """Bring roll-ups up to date with samples and cycles, a batch of each a transaction, for a bounded time."""
    ends_at = time.monotonic() + LONGEST_SECONDS
    in_transaction(_look)
    samples, cycles, after = 0, 0, RollUpMark.objects.get().done_to
    while time.monotonic() < ends_at:
        count, after = in_transaction(lambda after=after: _batch(after))  # type: ignore[misc]  # bound now
        ended = in_transaction(_ended_batch)
        if not (count or ended):
            return RolledUp(samples=samples, is_behind=False, cycles=cycles)
        samples, cycles = samples + count, cycles + ended
    return RolledUp(samples=samples, is_behind=True, cycles=cycles)


def _look() -> None:
    """Note the newest sample, and that what was the newest a while ago can have no company any more."""
    RollUpMark.objects.get_or_create(pk=1)
    newest = PremiumSample.objects.aggregate(newest=Max("id"))["newest"] or 0
    is_old = Q(seen_at__isnull=True) | Q(seen_at__lte=Now() - SETTLES)
    RollUpMark.objects.filter(is_old).update(settled_to=F("seen_to"), seen_to=newest, seen_at=Now())


def _batch(after: int) -> tuple[int, int]:
    """Roll up the next batch; gives how many samples it read, and up to which."""
    mark = own_mark()
    if mark is None:  # another run is at it
        return 0, after
    batch = PremiumSample.objects.filter(id__gt=after).order_by("id").values_list("id", flat=True)
    ids = list(batch[:BATCH])
    if not ids:
        return 0, after
    with connection.cursor() as cursor:
        for statement in (MINUTES, HOURS):
            cursor.execute(statement, {"after": after, "up_to": ids[-1]})
    done = Greatest(F("done_to"), Least(F("settled_to"), ids[-1]))
    RollUpMark.objects.update(done_to=done)
    return len(ids), ids[-1]


def _ended_batch() -> int:
    """Add up the next batch of what has ended; gives how many, none where another run is at it."""
    return totalling.add_up() if own_mark() else 0


def own_mark() -> RollUpMark | None:
    """Lock the mark for this transaction; None where another run has it, or none has run yet."""
    return locked(RollUpMark.objects.all(), skip=True).first()
