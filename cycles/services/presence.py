"""Signs of life: one row per process or scheduled job, stamped by the database's clock."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence

from django.db.models.functions import Now

from cycles import conf
from cycles.domain.words import Role
from cycles.models import Heartbeat
from cycles.services.correlating import correlation

BROKEN = "broken"  # of the detail: the threads that do not get on
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


def leave(name: str) -> None:
    """Take the sign down: this process ends on purpose."""
    Heartbeat.objects.filter(name=name).delete()
