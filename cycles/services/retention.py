"""How long samples and their roll-ups stay, and how they go: in slices of time, by the indexes that charts use.

A slice is deleted series by series, so no index by instant has to be kept for it (measured:
`docs/scaling.md`). Each slice begins where the one before ended: what was just deleted is not read again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cycles import conf
from cycles.models import PremiumHour, PremiumMinute, PremiumSample, RollUpMark
from cycles.selectors.premia import Rows, series_of
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PremiaPruned:
    """How many rows went, by grain."""

    samples: int
    minutes: int
    hours: int


def prune_premia() -> PremiaPruned:
    """Delete samples, minutes and hours that are older than their settings keep them."""
    now, ends_at = desk.database_now(), time.monotonic() + LONGEST_SECONDS

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
    """Delete slice by slice, each in its own transaction, until all is gone or the time is up."""
    series = series_of(rows)
    if not series:
        return 0
    length = SPACING[rows] * max(1, SLICE_ROWS // len(series))
    pruned, low = 0, _oldest(rows, series, None)
    while low is not None and low < before and may_go_on():
        high = min(low + length, before)
        gone = in_transaction(
            lambda low=low, high=high: _slice(rows, series, low, high, before)  # type: ignore[misc]  # bound now
        )
        if gone is None:
            break
        pruned, low = pruned + gone, _oldest(rows, series, high)
    return pruned


def _slice(
    rows: Rows, series: Sequence[Series], low: datetime, high: datetime, before: datetime
) -> int | None:
    """Delete one slice, and note what is gone; None while there is something that is not rolled up yet."""
    mark = rolling_up.own_mark()
    if mark is None or (rows is PremiumSample and _is_awaited(mark, before)):
        return None
    if rows is PremiumSample:
        RollUpMark.objects.update(samples_since=_later(mark.samples_since, high))
    if rows is PremiumMinute:
        RollUpMark.objects.update(minutes_since=_later(mark.minutes_since, high))
    old = rows.objects.filter(at__gte=low, at__lt=high)
    return sum(old.filter(**one).delete()[0] for one in series)


def _is_awaited(mark: RollUpMark, before: datetime) -> bool:
    """Say whether an old sample is yet to be rolled up: one that came late, or a long backlog."""
    return PremiumSample.objects.filter(id__gt=mark.done_to, at__lt=before).exists()


def _later(known: datetime | None, instant: datetime) -> datetime:
    return max(known, instant) if known else instant


def _oldest(rows: Rows, series: Sequence[Series], since: datetime | None) -> datetime | None:
    """Give the instant of the oldest row from an instant on, one step along the index per series."""
    kept = rows.objects.filter(at__gte=since) if since else rows.objects.all()
    firsts = (
        kept.filter(**one).order_by("at").values_list("at", flat=True).first() for one in series
    )
    return min((first for first in firsts if first is not None), default=None)
