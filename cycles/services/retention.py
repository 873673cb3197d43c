"""How long samples and their roll-ups stay, and how they go: in slices of time, by the indexes that charts use.

A slice is deleted series by series, so no index by instant has to be kept for it (measured:
`docs/scaling.md`). Each slice begins where the one before ended, and so does each run: what was deleted leaves
entries until it is vacuumed, a fifth of the table by default. What came late, older than that, is found by its id.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Max

from cycles import conf
from cycles.models import PremiumHour, PremiumMinute, PremiumSample, RollUpMark
from cycles.selectors.premia import GRAINS, Rows, oldest_of_new, series_of
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
EVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PremiaPruned:
    """How many rows went, by grain."""

    samples: int
    minutes: int
    hours: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a run deletes, rows before an instant, and what it knows: of those up to an id none is older than `since`."""

    rows: Rows
    series: Sequence[Series]
    before: datetime
    since: datetime
    known_to: int
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
    run = _run(rows, series, before)
    pruned, low, is_done = 0, _oldest(run, EVER), False
    while not is_done and may_go_on():
        is_done = low >= before
        high = min(low + length, before)
        gone = in_transaction(lambda low=low, high=high: _slice(run, low, high))  # type: ignore[misc]  # bound now
        if gone is None:
            break
        pruned, low = pruned + gone, _oldest(run, high)
    return pruned


def _run(rows: Rows, series: Sequence[Series], before: datetime) -> Run:
    """Tell what the runs before have noted; nothing is known where none has come to its end."""
    mark = RollUpMark.objects.first() or RollUpMark()
    since, known_to = (getattr(mark, f"{GRAINS[rows]}_{what}") for what in ("since", "looked_to"))
    is_known = since is not None and known_to is not None and since <= before
    # Rows without an id yet will have a higher one; but a sample may have had its own long before it is committed.
    newest = rows.objects.aggregate(newest=Max("id"))["newest"]
    return Run(
        rows=rows, series=series, before=before, since=since if is_known else EVER,
        known_to=known_to if is_known else 0, looked_to=mark.done_to if rows is PremiumSample else newest or 0,
    )  # fmt: skip


def _slice(run: Run, low: datetime, high: datetime) -> int | None:
    """Delete one slice, and note what is gone; None while there is something that is not rolled up yet."""
    mark = rolling_up.own_mark()
    if mark is None or (run.rows is PremiumSample and _is_awaited(mark, run.before)):
        return None
    since = f"{GRAINS[run.rows]}_since"
    far = _later(getattr(mark, since), high)
    if low >= run.before:
        # Rows were to go sooner before: those that came late since then are yet to go.
        looked_to = run.looked_to if far == run.before else None
        RollUpMark.objects.update(**{f"{GRAINS[run.rows]}_looked_to": looked_to})
        return 0
    RollUpMark.objects.update(**{since: far})
    old = run.rows.objects.filter(at__gte=low, at__lt=high)
    return sum(old.filter(**one).delete()[0] for one in run.series)


def _is_awaited(mark: RollUpMark, before: datetime) -> bool:
    """Say whether an old sample is yet to be rolled up: one that came late, or a long backlog."""
    return oldest_of_new(PremiumSample, mark.done_to, EVER, before) is not None


def _later(known: datetime | None, instant: datetime) -> datetime:
    return max(known, instant) if known else instant


def _oldest(run: Run, low: datetime) -> datetime:
    """Give the instant of the oldest row from an instant on, that of the run's end where there is none before.

    One step along the index per series; and from where nothing is known to be left, those that have come since.
    """
    kept = run.rows.objects.filter(at__gte=max(low, run.since), at__lt=run.before)
    firsts = [
        kept.filter(**one).order_by("at").values_list("at", flat=True).first() for one in run.series
    ]
    if low < run.since:
        firsts.append(oldest_of_new(run.rows, run.known_to, low, run.since))
    return min((first for first in firsts if first is not None), default=run.before)
