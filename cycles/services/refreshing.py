"""Reference data is fetched anew; what people must know of it becomes an alert in the same transaction."""

from __future__ import annotations

from datetime import datetime

from cycles.models import Alert
from cycles.services import reacting
from cycles.services.alerting import raise_alert
from exchanges import market_sync
from exchanges.market_sync import SyncCounts
from exchanges.notices import Notice


def refresh_markets(now: datetime) -> SyncCounts:
    """Fetch identities, rules, our own addresses and routes, keep them; react to what is said of our key."""
    counts = market_sync.sync_markets(now, tell=_tell)
    for venue, reason in counts.key_rejected.items():
        reacting.key_rejected(venue, reason)
    return counts


def _tell(notice: Notice) -> None:
    """Write a notice as an alert; the same key is told once."""
    severity = Alert.Severity.CRITICAL if notice.is_critical else Alert.Severity.WARNING
    raise_alert(key=notice.key, severity=severity, title=notice.title, body=notice.body)
