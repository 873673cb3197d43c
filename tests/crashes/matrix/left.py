"""What a process leaves in the database when it ends: nothing may wait for longer than the product lets anything wait.

Read before a test lets time pass: whoever sets every wake-up anew takes a cycle that was forgotten for one that waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import connection

from cycles import conf
from cycles.domain.progress import LONGEST_THROTTLE_SECONDS
from cycles.models import PolicyVersion
from cycles.services import alerting, looking, telegram

AWAY = datetime(
    2999, 1, 1, tzinfo=UTC
)  # where a test puts what is not to be driven: no product's wait
LEASE_SECONDS = 600  # of whom the tests fork: nobody takes a dead worker's cycle before time passes
LEFT = """
SELECT 'cycle ' || code || ', ' || status, 'wakes', wake_at - statement_timestamp(), %(wait)s
  FROM cycles_cycle
 WHERE ended_at IS NULL AND status <> 'DEAD_LETTER' AND wake_at IS DISTINCT FROM %(away)s
UNION ALL
SELECT 'cycle ' || code || ', ' || status, 'is leased', lease_expires_at - statement_timestamp(), %(lease)s
  FROM cycles_cycle WHERE lease_owner <> ''
UNION ALL
SELECT venue || ' ' || kind, 'is looked at', expires_at - statement_timestamp(), %(look)s
  FROM cycles_venuewatch WHERE expires_at IS NOT NULL
UNION ALL
SELECT venue || ' ' || kind, 'rests', not_before - statement_timestamp(), %(rest)s
  FROM cycles_venuewatch WHERE not_before IS NOT NULL
UNION ALL
SELECT 'alert ' || key, 'is told', due_at - statement_timestamp(), %(alert)s
  FROM cycles_alert WHERE state = 'PENDING'"""
WAKE = """
WITH mine AS MATERIALIZED (
    SELECT id, code, wake_at FROM cycles_cycle
     WHERE id = ANY(%(ids)s) AND wake_at > statement_timestamp() ORDER BY id FOR UPDATE)
UPDATE cycles_cycle c SET wake_at = statement_timestamp() FROM mine WHERE c.id = mine.id
RETURNING mine.code, mine.wake_at, mine.wake_at - statement_timestamp()"""


def longest_wait() -> timedelta:
    """Give the longest that a cycle may wait in the product: for a venue's limiter, or on the longer ladder."""
    starter = PolicyVersion()
    ladders = (starter.calm_cap_seconds, starter.urgent_cap_seconds)
    return max(timedelta(seconds=LONGEST_THROTTLE_SECONDS), *map(conf.scaled, ladders))


def assert_nothing_forgotten() -> None:
    """Fail if a cycle, a lease, a look or an alert that is under way comes up later than the product lets it."""
    late = forgotten()
    assert late == [], "; ".join(late)


def forgotten() -> list[str]:
    """Say of each that comes up too late, or never, by how much."""
    terms: dict[str, Any] = {
        "away": AWAY,
        "wait": longest_wait(),
        "lease": timedelta(seconds=LEASE_SECONDS),
        "look": timedelta(seconds=looking.LOOK_LASTS_SECONDS * conf.venue_deadline_seconds()),
        "rest": looking.LONGEST_PAUSE,
        "alert": timedelta(seconds=max(alerting.CAP_SECONDS, telegram.LONGEST_PAUSE_SECONDS)),
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT * FROM ({LEFT}) AS it(what, does, left_, most) WHERE (left_ <= most) IS NOT TRUE",
            terms,
        )
        rows = cursor.fetchall()
    return [f"{what} {does} in {left}, not within {most}" for what, does, left, most in rows]


def wake(ids: Sequence[UUID]) -> None:
    """Let these cycles be due, if they are not; fails if one would have waited for too long."""
    with connection.cursor() as cursor:
        cursor.execute(WAKE, {"ids": list(ids)})
        woken = cursor.fetchall()
    late = [
        f"{code} wakes in {left}"
        for code, at, left in woken
        if at != AWAY and left > longest_wait()
    ]
    assert late == [], "; ".join(late)
