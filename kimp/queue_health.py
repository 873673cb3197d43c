"""Whether the queue still works: its scheduled jobs write a heartbeat each time they run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import Error, connection
from django.db.models import ExpressionWrapper, F
from django.db.models.fields import DurationField
from django.db.models.functions import Now

from cycles.domain.jobs import SCHEDULES
from cycles.models import Heartbeat
from cycles.services.desk import database_now
from cycles.services.presence import JOB, WELL_AT, well_at
from kimp import postgres

IS_STALE = timedelta(seconds=150)  # each minute, the scheduler's tick, and one missed
INTERVALS = 4  # of a job's own, in which it is to end well once
LAG = timedelta(minutes=1)
TOO_OLD = timedelta(seconds=180)  # jobs run each minute, the scheduler lags up to half of one
UNRECORDED = timedelta(seconds=180)  # a result is recorded at once; of an outage some are never
# `stopped` is by a host's clock, so contents only tell one state of the table from another; `save_limit` keeps few that
# went well.
RECORDED = """
    SELECT clock_timestamp(),
           (SELECT max(beat_at) FROM cycles_heartbeat WHERE starts_with(name, %s)),
           (SELECT row(count(*), sum(hashtext(id || stopped::text)::bigint))::text FROM django_q_task)
"""


def ask(uptime_seconds: float) -> str | None:
    """Do as `wedged` in a thread that nobody waits for: it keeps no connection, and starts no embedded server."""
    is_embedded = settings.DATABASES["default"]["ENGINE"] == "kimp.database"
    try:
        if is_embedded and not postgres.status(settings.KIMP_HOME).is_running:
            return None  # to connect would be to wait for it, holding the lock by which it is ended
        return wedged(uptime_seconds)
    except postgres.PostgresError:
        return None
    finally:
        connection.close()


def wedged(uptime_seconds: float) -> str | None:
    """Name the reason to start the cluster again; None while all is well or unknown.

    A cluster whose idle worker was killed waits for ever for the queue's lock; so does the process that records
    results in one where that was killed.
    """
    if timedelta(seconds=uptime_seconds) < TOO_OLD:
        _results.forget()
        return None
    age = _age_of_newest()
    if age is None:
        return None
    if age >= TOO_OLD:
        return f"its newest heartbeat is {age.total_seconds():.0f} s old"
    owed = _results.owed_for()
    if owed is None or owed < UNRECORDED:
        return None
    return f"its jobs run, and nothing was recorded of them for {owed.total_seconds():.0f} s"


class _Results:
    """What one process has seen of recorded results, look after look, by the database's clock."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as another cluster does."""
        self._state: str | None = None
        self._changed_at = self._owed_since = datetime.max.replace(tzinfo=UTC)

    def owed_for(self) -> timedelta | None:
        """Look, and give how long ago a job was first seen to have ended since the last result; None if none has."""
        try:
            with connection.cursor() as cursor:
                cursor.execute(RECORDED, [JOB])
                now, newest, state = cursor.fetchone()
        except Error:
            connection.close()
            return None
        if state != self._state:
            self.forget()
            self._state, self._changed_at = state, now
        if newest is None or newest <= self._changed_at:
            return None
        self._owed_since = min(self._owed_since, now)
        owed: timedelta = now - self._owed_since
        return owed


_results = _Results()


def _age_of_newest() -> timedelta | None:
    """Return how old the newest heartbeat of a job is, by the database's clock."""
    age = ExpressionWrapper(Now() - F("beat_at"), output_field=DurationField())
    beats = Heartbeat.objects.filter(name__startswith=JOB).order_by("-beat_at")
    try:
        found: timedelta | None = beats.annotate(age=age).values_list("age", flat=True).first()
    except Error:
        connection.close()
        return None
    return found


def late() -> str:
    """Name the jobs that have not ended well for several of their intervals, and for how long; '' if none."""
    now, rows = database_now(), Heartbeat.objects.in_bulk([JOB + one.name for one in SCHEDULES])
    waited = {
        one.name: now - well_at(rows[JOB + one.name])
        for one in SCHEDULES
        if JOB + one.name in rows  # else it was never run: the schedule's matter
        and now - well_at(rows[JOB + one.name]) > INTERVALS * timedelta(minutes=one.minutes) + LAG
    }
    told = [f"{name} for {since // timedelta(minutes=1)} minutes" for name, since in waited.items()]
    return f"jobs that have not ended well: {', '.join(told)}" if told else ""


def begin() -> None:
    """Let no job count as late because there was no queue: one that begins again has them all before it."""
    age, now = _age_of_newest(), database_now()
    if age is None or age < IS_STALE:
        return
    rows = list(Heartbeat.objects.filter(name__startswith=JOB))
    for row in rows:
        row.detail[WELL_AT] = now.isoformat()
    Heartbeat.objects.bulk_update(rows, ["detail"])
