"""Alerts: written with the fact they tell of, delivered afterwards, each key once.

Delivery is at least once: a claim moves `due_at` ahead (a lease) and commits, the message is sent
outside of any transaction, the outcome is noted after. Losing a worker only delays an alert.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now

from cycles import conf, metrics
from cycles.models import Alert, Cycle
from cycles.services import ending, telegram
from cycles.services.correlating import correlation
from cycles.services.locking import locked

log = structlog.get_logger(__name__)

LEASE = timedelta(seconds=60)  # longer than one attempt may take
TIMEOUT_SECONDS = 10.0
MAX_ATTEMPTS = 12
BASE_SECONDS, CAP_SECONDS = 5, 3600
LEVELS = {"INFO": "info", "WARNING": "warning", "CRITICAL": "critical"}

INSERT = """
    INSERT INTO cycles_alert (key, cycle_id, severity, title, body, state, created_at, due_at,
        attempts, last_error, request_id, session_id, trace_id)
    SELECT told.*, 'PENDING', statement_timestamp(), now(), 0, '', %s, %s, %s
      FROM unnest(%s::varchar[], %s::uuid[], %s::varchar[], %s::varchar[], %s::text[]) AS told
    ON CONFLICT (key) DO NOTHING RETURNING id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """What people are to be told, once for its key."""

    key: str
    severity: Alert.Severity
    title: str
    body: str = ""
    cycle: Cycle | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """One alert that this worker delivers now; `attempt` counts from 1."""

    alert_id: int
    attempt: int
    title: str
    text: str


def raise_alert(
    *, key: str, severity: Alert.Severity, title: str, body: str = "", cycle: Cycle | None = None
) -> bool:
    """Write an alert in the caller's transaction; False if its key was told before."""
    return (
        raise_alerts([Telling(key=key, severity=severity, title=title, body=body, cycle=cycle)]) > 0
    )


def raise_alerts(told: Sequence[Telling]) -> int:
    """Write alerts by one statement, in the caller's transaction; gives how many were not told before."""
    ids = correlation()
    columns: tuple[list[Any], ...] = (
        [one.key[:160] for one in told],
        [one.cycle.pk if one.cycle else None for one in told],
        [one.severity.value for one in told],
        [one.title[:160] for one in told],
        [one.body for one in told],
    )
    with connection.cursor() as cursor:
        given: list[Any] = [ids["request_id"], ids["session_id"], ids["trace_id"], *columns]
        cursor.execute(INSERT, given)
        return len(cursor.fetchall())


def deliver_due(limit: int = 50, *, timeout_seconds: float = TIMEOUT_SECONDS) -> int:
    """Deliver alerts that are due, oldest first; returns how many were sent or logged.

    Stops at the first that the channel did not take, and when its time is up: the others wait for the next run.
    One at a time: each is claimed for one attempt, which may take as long as the channel hangs, and noted by
    itself, so that none is told again for another's sake. Without a channel they are logged together.
    """
    channel, is_time_left = conf.telegram(), ending.time_for_more()
    if not channel.is_configured:
        return _log_due(limit)
    for done in range(limit):
        if done and not is_time_left():
            return done
        claimed = _claim()
        if claimed is None:
            return done
        attempt = telegram.send(channel, claimed.text, timeout_seconds)
        metrics.ALERTS.labels(outcome=attempt.outcome).inc()
        if not attempt.is_delivered:
            _note_failure(claimed, attempt)
            return done
        _note_delivery(claimed)
    return limit


def _due() -> QuerySet[Alert]:
    """Choose what is to be told now, oldest first."""
    return Alert.objects.filter(state="PENDING", due_at__lte=Now()).order_by("due_at", "id")


def _claim() -> Claimed | None:
    """Take the oldest due alert that nobody else is taking."""
    with transaction.atomic(durable=True):
        alert = locked(_due(), skip=True).first()
        if alert is None:
            return None
        Alert.objects.filter(pk=alert.pk).update(due_at=Now() + LEASE, attempts=F("attempts") + 1)
    return Claimed(
        alert_id=alert.pk,
        attempt=alert.attempts + 1,
        title=alert.title,
        text=text_of(alert),
    )


def text_of(alert: Alert) -> str:
    """Return the message as people read it, with the address of its cycle."""
    lines = [f"[{alert.severity}] {alert.title}", alert.body]
    site = conf.public_url()
    if alert.cycle_id and site not in alert.body:
        lines.append(f"{site}/admin/cycles/cycle/{alert.cycle_id}/change/")
    return "\n".join(line for line in lines if line)


def _log_due(limit: int) -> int:
    """Write what is due to the log, all of it in one transaction: who dies meanwhile has it logged again."""
    with transaction.atomic(durable=True):
        alerts = list(locked(_due(), skip=True)[:limit])
        for alert in alerts:
            write = getattr(log, LEVELS[alert.severity])
            write("alert.logged", alert_id=alert.pk, text=text_of(alert))
        Alert.objects.filter(pk__in=[alert.pk for alert in alerts]).update(
            state=Alert.State.LOGGED, delivered_at=Now(), attempts=F("attempts") + 1
        )
    return len(alerts)


def _note_delivery(claimed: Claimed) -> None:
    """Write the fact, whoever holds the lease by now."""
    Alert.objects.filter(pk=claimed.alert_id).update(
        state=Alert.State.DELIVERED, delivered_at=Now(), last_error=""
    )
    log.info("alert.delivered", alert_id=claimed.alert_id, attempt=claimed.attempt)


def _note_failure(claimed: Claimed, attempt: telegram.Attempt) -> None:
    """Decide on the next attempt, unless another worker has taken the alert over."""
    mine = Alert.objects.filter(pk=claimed.alert_id, state="PENDING", attempts=claimed.attempt)
    is_throttled = attempt.retry_after_seconds is not None
    delay = timedelta(seconds=attempt.retry_after_seconds or backoff_seconds(claimed.attempt))
    is_last = claimed.attempt >= MAX_ATTEMPTS and not is_throttled
    state = Alert.State.GIVEN_UP if is_last else Alert.State.PENDING
    mine.update(state=state, due_at=Now() + delay, last_error=attempt.error)
    if is_throttled:  # the limit is the channel's: the others would only be turned away as well
        Alert.objects.filter(state="PENDING", due_at__lt=Now() + delay).update(due_at=Now() + delay)
    log.warning(
        "alert.given_up" if is_last else "alert.not_delivered",
        alert_id=claimed.alert_id,
        title=claimed.title,
        attempt=claimed.attempt,
        outcome=attempt.outcome,
        error=attempt.error,
    )


def backoff_seconds(attempt: int) -> int:
    """Return the pause after failed attempt number `attempt` (from 1), doubling up to an hour."""
    return int(min(CAP_SECONDS, BASE_SECONDS * 2 ** (attempt - 1)))
