"""django-q2's brokers, patient with a database that is away: its processes would end, be replaced, and end again.

`Q_CLUSTER["broker_class"]` names `patient`. With Redis as the broker nothing is fetched meanwhile either: it is
given away once, and who gets it could do nothing with it.
"""

from __future__ import annotations

import logging
import time
from typing import Any

import structlog
from django.db import connection
from django_q.brokers import Broker
from django_q.brokers.orm import ORM
from django_q.conf import Conf

from cycles.services import ending
from cycles.services.outage import UNREACHABLE
from cycles.services.shared_outage import OUTAGE

log = structlog.get_logger(__name__)


class _Patient(Broker):  # type: ignore[misc]  # django-q2 has no types
    def dequeue(self) -> Any:
        """Fetch tasks; none while the database is away, and soon, as who asks looks in between whether it is to end.

        Who asks does so again at once, so there is a pause whatever has failed.
        """
        known = OUTAGE.failures
        if not OUTAGE.may_be_over():
            time.sleep(Conf.POLL)
            return None
        try:
            tasks = super().dequeue()
        except UNREACHABLE as error:
            _tell("queue.not_fetched", error)
            OUTAGE.wait_longer()
            time.sleep(Conf.POLL)
            return None
        OUTAGE.end(known)
        return tasks

    def acknowledge(self, task_id: Any) -> None:
        """Take a task out of the queue; else it is handed out once more, which harms nothing."""
        try:
            super().acknowledge(task_id)
        except UNREACHABLE as error:
            _tell("queue.not_acknowledged", error)


def _tell(event: str, error: BaseException) -> None:
    if not OUTAGE.tell(error, is_of_the_queue=True, said=event):
        log.error(event, exc_info=error)


class PatientORM(_Patient, ORM):  # type: ignore[misc]
    """A queue in PostgreSQL."""


def patient(list_key: str | None = None) -> Broker:
    """Make the broker that the settings ask for."""
    if Conf.ORM:
        return PatientORM(list_key)
    from django_q.brokers.redis_broker import Redis  # noqa: PLC0415  its client is an extra

    class PatientRedis(_Patient, Redis):  # type: ignore[misc]
        """A queue in Redis."""

        def dequeue(self) -> Any:
            """Fetch tasks, for which no connection of the database is needed."""
            try:
                return super().dequeue()
            finally:
                connection.close()  # of who asked whether an outage is over

    return PatientRedis(list_key)


def is_news(record: logging.LogRecord) -> bool:
    """Keep from the log what django-q2 says of an outage again and again, with tracebacks: it is said once.

    What it tells of a task that fails meanwhile, the task's own line has told.
    """
    error = record.exc_info[1] if record.exc_info else None
    if OUTAGE.tell(error, is_of_the_queue=True, said=record.getMessage()):
        return False
    return not (OUTAGE.is_near and record.getMessage().startswith("Failed 'cycles.tasks."))


def keep_what_was_left(task: dict[str, Any], **_: object) -> None:
    """Acknowledge and record nothing of a task that the end of the cluster kept from beginning (a signal's receiver).

    A queue in PostgreSQL hands it out again after `retry`; from Redis it is gone, and its next schedule brings it.
    """
    if task["result"] == ending.LEFT:
        task["ack_id"], task["save"] = None, False
