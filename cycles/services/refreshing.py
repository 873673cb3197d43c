"""Reference data is fetched anew; what people must know of it becomes an alert in the same transaction."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from cycles.models import Alert, SweepMark
from cycles.services import ending, reacting
from cycles.services.alerting import raise_alert
from exchanges import market_sync
from exchanges.market_sync import SyncCounts
from exchanges.notices import Notice

SWEEP = "refresh_markets"


def refresh_in_turn(now: datetime) -> SyncCounts:
    """Refresh as far as a run's time goes; the next goes on with what this one left, so that nothing is always left."""
    marks = SweepMark.objects.filter(sweep=SWEEP)
    begin_with = marks.values_list("last", flat=True).first() or ""
    counts = refresh_markets(now, begin_with=begin_with, may_go_on=ending.time_for_more())
    if counts.left_off_at:
        SweepMark.objects.update_or_create(sweep=SWEEP, defaults={"last": counts.left_off_at})
    elif begin_with:
        marks.delete()
    return counts


def refresh_markets(
    now: datetime, *, begin_with: str = "", may_go_on: Callable[[], bool] = lambda: True
) -> SyncCounts:
    """Fetch identities, rules, our own addresses and routes, keep them; react to what is said of our key."""
    counts = market_sync.sync_markets(now, tell=_tell, begin_with=begin_with, may_go_on=may_go_on)
    for venue, reason in counts.key_rejected.items():
        reacting.key_rejected(venue, reason)
    return counts


def _tell(notice: Notice) -> None:
    """Write a notice as an alert; the same key is told once."""
    severity = Alert.Severity.CRITICAL if notice.is_critical else Alert.Severity.WARNING
    raise_alert(key=notice.key, severity=severity, title=notice.title, body=notice.body)
