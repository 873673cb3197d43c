"""How long samples and their roll-ups stay, and how they go: in slices of time, by the indexes that charts use.

A slice is deleted series by series, so no index by instant has to be kept for it (measured:
`docs/scaling.md`). Each slice begins where the one before ended, and so does each run: what was deleted leaves
entries until it is vacuumed, a fifth of the table by default. What came late, older than that, is found by its id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Max

from cycles import conf
from cycles.models import PremiumHour, PremiumMinute, PremiumSample, RollUpMark
from cycles.selectors.premia import GRAINS, TABLES, Rows, series_of
from cycles.services import desk, rolling_up
from cycles.services.locking import in_transaction

Series = Mapping[str, str]

SLICE_ROWS = 5000  # about so many rows a transaction
LONGEST_SECONDS = 20  # of one run; the next goes on
HOUR = timedelta(hours=1)
# How far apart two rows of a series are; a feeder with a shorter interval makes its slices fuller.
SPACING: Mapping[Rows, timedelta] = {
    PremiumSample: timedelta(seconds=1),
    PremiumMinute: timedelta(minutes=1),
    PremiumHour: HOUR,
}
# By id, whatever the planner thinks: an index that knows instants would lead over all that is dead.
LATE = "SELECT min(at) FROM (SELECT at FROM {table} WHERE id > %s OFFSET 0) new WHERE at < %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class PremiaPruned:
    """How many rows went, by grain."""

    samples: int
    minutes: int
    hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a run is to delete: rows before an instant; of rows up to an id none is older than its beginning."""

    low: datetime | None
    before: datetime
    looked_to: int


def prune_premia(now: datetime | None = None) -> PremiaPruned:
    """Delete samples, minutes and hours that are older than their settings keep them; `now`: the database's time."""
    now, ends_at = now or desk.database_now(), time.monotonic() + LONGEST_SECONDS

    def prune(rows: Rows, kept: timedelta) -> int:
        before = _whole_hour(now - kept)
        return _prune(rows, before, may_go_on=lambda: time.monotonic() < ends_at)

    return PremiaPruned(
        samples=prune(PremiumSample, conf.samples_kept()),
        minutes=prune(PremiumMinute, conf.minutes_kept()),
        hours=prune(PremiumHour, conf.hours_kept()),
    )


def _whole_hour(instant: datetime) -> datetime:
    """Cut at the hour: a bucket goes with all that it is made of."""
    return instant.replace(minute=0, second=0, microsecond=0)


def _prune(rows: Rows, before: datetime, *, may_go_on: Callable[[], bool]) -> int:
    """Delete slice by slice, each in its own transaction, until all is gone or the time is up.

    The last one deletes nothing: it notes that all is gone, for the next run to begin there.
    """
    series = series_of(rows)
    if not series:
        return 0
    length = SPACING[rows] * max(1, SLICE_ROWS // len(series))
    pruned, run = 0, _range(rows, series, before)
    low, is_done = run.low, False
    while not is_done and may_go_on():
        is_done = low is None or low >= before
        low = before if low is None else min(low, before)
        high = min(low + length, before)
        gone = in_transaction(
            lambda low=low, high=high: _slice(rows, series, low, high, run)  # type: ignore[misc]  # bound now
        )
        if gone is None:
            break
        pruned, low = pruned + gone, _oldest(rows, series, high)
    return pruned


def _range(rows: Rows, series: Sequence[Series], before: datetime) -> Range:
    """Say where a run is to begin: where the last one ended, or at what has come since and is older."""
    mark = RollUpMark.objects.first() or RollUpMark()
    since, known_to = (getattr(mark, f"{GRAINS[rows]}_{what}") for what in ("since", "looked_to"))
    # Rows that have no id yet come above; of samples, some may be given one long before they are committed.
    newest = rows.objects.aggregate(newest=Max("id"))["newest"]
    looked_to = mark.done_to if rows is PremiumSample else newest or 0
    if since is None or known_to is None:
        return Range(low=_oldest(rows, series, None), before=before, looked_to=looked_to)
    firsts = (_late(rows, known_to, since), _oldest(rows, series, since))
    low = min((first for first in firsts if first is not None), default=None)
    return Range(low=low, before=before, looked_to=looked_to)


def _late(rows: Rows, known_to: int, since: datetime) -> datetime | None:
    """Give the oldest instant, before another, of the rows that have come above an id."""
    with connection.cursor() as cursor:
        cursor.execute(LATE.format(table=TABLES[rows]), [known_to, since])
        (first,) = cursor.fetchone()
    return first if isinstance(first, datetime) else None


def _slice(
    rows: Rows, series: Sequence[Series], low: datetime, high: datetime, run: Range
) -> int | None:
    """Delete one slice, and note what is gone; None while there is something that is not rolled up yet."""
    mark = rolling_up.own_mark()
    if mark is None or (rows is PremiumSample and _is_awaited(mark, run.before)):
        return None
    if low >= run.before:  # all is gone
        RollUpMark.objects.update(**{f"{GRAINS[rows]}_looked_to": run.looked_to})
        return 0
    since = f"{GRAINS[rows]}_since"
    RollUpMark.objects.update(**{since: _later(getattr(mark, since), high)})
    old = rows.objects.filter(at__gte=low, at__lt=high)
    return sum(old.filter(**one).delete()[0] for one in series)


def _is_awaited(mark: RollUpMark, before: datetime) -> bool:
    """Say whether an old sample is yet to be rolled up: one that came late, or a long backlog."""
    return _late(PremiumSample, mark.done_to, before) is not None


def _later(known: datetime | None, instant: datetime) -> datetime:
    return max(known, instant) if known else instant


def _oldest(rows: Rows, series: Sequence[Series], since: datetime | None) -> datetime | None:
    """Give the instant of the oldest row from an instant on, one step along the index per series."""
    kept = rows.objects.filter(at__gte=since) if since else rows.objects.all()
    firsts = (
        kept.filter(**one).order_by("at").values_list("at", flat=True).first() for one in series
    )
    return min((first for first in firsts if first is not None), default=None)
