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
from psycopg.errors import QueryCanceled

from cycles.services.locking import PASSING
from cycles.services.outage import ECHO_SECONDS, JITTER, UNREACHABLE, longer

log = structlog.get_logger(__name__)


class SharedOutage:
    """What processes know together of their database; made before they are forked.

    Only one of them, which fetches tasks, finds that it is over. Nothing here is locked: whoever is killed while it
    holds a lock would keep the others waiting for ever.
    """

    def __init__(self) -> None:
        self._to_say = multiprocessing.get_context("fork").Semaphore(1)
        self._is_told = RawValue("b", 0)
        self._failures = RawValue("l", 0)
        self._ended_at = RawValue("d", -ECHO_SECONDS)
        self._pause = timedelta(0)  # of the process that fetches
        self._asks_at = 0.0

    @property
    def is_told(self) -> bool:
        """Say whether the database is away, as far as anybody has noticed."""
        return bool(self._is_told.value)

    @property
    def failures(self) -> int:
        """Give how often it was met so far, or less: of two at once only one may be counted."""
        return int(self._failures.value)

    @property
    def is_near(self) -> bool:
        """Say whether it is away, or was so a moment ago."""
        return self.is_told or time.monotonic() - self._ended_at.value < ECHO_SECONDS

    def tell(
        self, error: BaseException | None, *, is_of_the_queue: bool = False, **facts: str
    ) -> bool:
        """Say that the database is away, unless that is known; False where the error tells nothing of that.

        This process drops its connection. A lock that somebody kept for too long is no outage: it is said with
        the `facts` of whoever waited. A statement that took too long is the trouble of who sent it, unless the
        outage is known; those of the queue itself are short, so that their server is slow.
        """
        cause = getattr(error, "__cause__", None)
        if not isinstance(error, UNREACHABLE):
            return False
        if isinstance(cause, QueryCanceled) and not (is_of_the_queue or self.is_near):
            return False
        if isinstance(cause, PASSING):
            log.warning("database.busy", error=type(cause).__name__, **facts)
            return True
        connection.close()
        self._failures.value += 1
        if not self.is_near and self._to_say.acquire(block=False):
            self._is_told.value = True
            log.warning("database.unreachable", error=type(cause or error).__name__)
        return True

    def may_be_over(self) -> bool:
        """Say whether this process may fetch: not in its growing pause, nor where the database takes no writes.

        Of an outage that it asks about it keeps the connection, which might be the only one to be had.
        """
        if time.monotonic() < self._asks_at:
            return False
        if self.is_told and not _takes_writes():
            self.wait_longer()
            return False
        return True

    def wait_longer(self) -> None:
        """Leave the database alone after a failure, twice as long each time, said or not."""
        self._pause = longer(self._pause)
        pause = self._pause * JITTER.uniform(0.5, 1.0)
        self._asks_at = time.monotonic() + pause.total_seconds()

    def end(self, known: int) -> None:
        """Say that the database answers again, if it did not: it did what was asked after `known` failures.

        If there were more since, that tells nothing of how it is now.
        """
        self._pause = timedelta(0)
        if not self.is_told or self.failures != known:
            return
        self._ended_at.value, self._is_told.value = time.monotonic(), False
        log.info("database.answers_again")
        self._to_say.release()


def _takes_writes() -> bool:
    """Say whether a new session is let in, and may write; it is kept if so."""
    connection.close()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW transaction_read_only")
            takes_writes = bool(cursor.fetchone() == ("off",))
    except UNREACHABLE:
        takes_writes = False
    if not takes_writes:
        connection.close()
    return takes_writes


OUTAGE = SharedOutage()
