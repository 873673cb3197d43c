"""Signs of life: one row per process or scheduled job, stamped by the database's clock."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models.functions import Now

from cycles import conf
from cycles.domain.words import Role
from cycles.models import Heartbeat
from cycles.services.correlating import correlation
from cycles.services.desk import database_now

BROKEN = "broken"  # of the detail: the threads that do not get on
JOB = "job:"  # how the signs of scheduled jobs begin
WELL_AT = "well_at"  # of the detail, where the last run did not end well: when one did
FIELDS = ("role", "session_id", "host", "pid", "beat_at", "detail")


def beat(
    name: str,
    role: Role,
    detail: Mapping[str, object] | None = None,
    *,
    broken: Sequence[str] = (),
) -> None:
    """Write the newest sign of life of `name` (at most 96 characters), in one statement.

    `broken` are its threads that do not get on: the desk is not ready while there is one.
    """
    row = Heartbeat(
        name=name,
        role=role,
        session_id=correlation()["session_id"] or conf.session_id(),
        host=socket.gethostname()[:80],
        pid=os.getpid(),
        beat_at=Now(),
        detail={**(detail or {}), **({BROKEN: list(broken)} if broken else {})},
    )
    Heartbeat.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["name"], update_fields=FIELDS
    )


def beat_of_job(name: str, detail: Mapping[str, object], *, is_well: bool) -> None:
    """Write how a job ended. Of one that failed its sign keeps when it last ended well, or first failed."""
    failed = {} if is_well else {WELL_AT: _last_well(f"{JOB}{name}").isoformat()}
    beat(f"{JOB}{name}", Role.WORKER, {**detail, **failed})


def _last_well(name: str) -> datetime:
    """Give when a job last ended well, as its newest sign has it; now if it has none."""
    row = Heartbeat.objects.filter(name=name).first()
    return well_at(row) if row is not None else database_now()


def well_at(row: Heartbeat) -> datetime:
    """Give when the job of a sign of life last ended well."""
    told = row.detail.get(WELL_AT)
    return datetime.fromisoformat(told) if told else row.beat_at


def leave(name: str) -> None:
    """Take the sign down: this process ends on purpose."""
    Heartbeat.objects.filter(name=name).delete()
