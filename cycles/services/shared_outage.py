"""An outage of the database that several processes meet, forked from one: it is said once for all of them.

The queue's cluster is such: one process fetches tasks, one records results, one looks at the schedule, others work.
"""

from __future__ import annotations

import multiprocessing
import time
from datetime import timedelta
from multiprocessing.sharedctypes import RawValue

import structlog
from django.db import connection

from cycles.services.locking import PASSING
from cycles.services.outage import ECHO_SECONDS, JITTER, UNREACHABLE, longer

log = structlog.get_logger(__name__)


class SharedOutage:
    """What processes know together of their database; made before they are forked.

    Only one of them, which asks again and again, finds that it is over. Nothing here is locked: whoever is killed
    while it holds a lock would keep the others waiting for ever.
    """

    def __init__(self) -> None:
        self._to_say = multiprocessing.get_context("fork").Semaphore(1)
        self._is_told = RawValue("b", 0)
        self._ended_at = RawValue("d", -ECHO_SECONDS)
        self._pause = timedelta(0)  # of the process that asks
        self._asks_at = 0.0

    @property
    def is_told(self) -> bool:
        """Say whether the database is away, as far as anybody has noticed."""
        return bool(self._is_told.value)

    @property
    def is_near(self) -> bool:
        """Say whether it is away, or was so a moment ago."""
        return self.is_told or time.monotonic() - self._ended_at.value < ECHO_SECONDS

    def tell(self, error: BaseException | None) -> bool:
        """Say that the database is away, unless that is known; False where the error tells nothing of that.

        This process drops its connection. A lock that somebody kept for too long is no outage.
        """
        if not isinstance(error, UNREACHABLE):
            return False
        if isinstance(error.__cause__, PASSING):
            log.warning("database.busy", error=type(error.__cause__).__name__)
            return True
        connection.close()
        if not self.is_near and self._to_say.acquire(block=False):
            self._is_told.value = True
            log.warning("database.unreachable", error=type(error.__cause__ or error).__name__)
        return True

    def is_over(self) -> bool:
        """Ask, after a growing pause, whether the database answers again, and say so if it does."""
        if time.monotonic() < self._asks_at:
            return False
        if not _takes_writes():
            self._pause = longer(self._pause)
            pause = self._pause * JITTER.uniform(0.5, 1.0)
            self._asks_at = time.monotonic() + pause.total_seconds()
            return False
        self._pause = timedelta(0)
        self._is_told.value, self._ended_at.value = False, time.monotonic()
        log.info("database.answers_again")
        self._to_say.release()
        return True


def _takes_writes() -> bool:
    """Say whether a new session is let in, and may write."""
    connection.close()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            return bool(cursor.fetchone() == ("off",))
    except UNREACHABLE:
        return False
    finally:
        connection.close()  # with Redis as the broker who asks needs none


OUTAGE = SharedOutage()
