"""django-q2's brokers, patient with a database that is away: its processes would end, be replaced, and end again.

`Q_CLUSTER["broker_class"]` names `patient`. With Redis as the broker nothing is fetched meanwhile either: it is
given away once, and who gets it could do nothing with it.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from django_q.brokers import Broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf

from cycles.services.outage import UNREACHABLE
from cycles.services.shared_outage import OUTAGE


class _Patient(Broker):  # type: ignore[misc]  # django-q2 has no types
    def dequeue(self) -> Any:
        """Fetch tasks; none while the database is away, and soon, as who asks looks in between whether it is to end."""
        if OUTAGE.is_told and not OUTAGE.is_over():
            time.sleep(Conf.POLL)
            return None
        try:
            return super().dequeue()
        except UNREACHABLE as error:
            OUTAGE.tell(error)
            return None

    def acknowledge(self, task_id: Any) -> None:
        """Take a task out of the queue; else it is handed out once more, which harms nothing."""
        try:
            super().acknowledge(task_id)
        except UNREACHABLE as error:
            OUTAGE.tell(error)


class PatientORM(_Patient, ORM):  # type: ignore[misc]
    """A queue in PostgreSQL."""


def patient(list_key: str | None = None) -> Broker:
    """Make the broker that the settings ask for."""
    if Conf.ORM:
        return PatientORM(list_key)
    from django_q.brokers.redis_broker import Redis  # noqa: PLC0415  its client is an extra

    class PatientRedis(_Patient, Redis):  # type: ignore[misc]
        """A queue in Redis."""

    return PatientRedis(list_key)


def is_news(record: logging.LogRecord) -> bool:
    """Keep from the log what django-q2 says of an outage again and again, with tracebacks: it is said once.

    What it tells of a task that fails meanwhile, the task's own line has told.
    """
    if record.exc_info and OUTAGE.tell(record.exc_info[1]):
        return False
    return not (OUTAGE.is_near and record.getMessage().startswith("Failed 'cycles.tasks."))
