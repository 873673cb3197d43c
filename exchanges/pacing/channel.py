"""A thread with a database connection of its own: asked with patience, told things without waiting.

So a caller is never kept by a database that is slow or away, and nothing of this joins a transaction
of the caller's.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any

import structlog
from django.db.backends.utils import CursorWrapper

from exchanges.own_connection import own_connection
from exchanges.transport.windows import StoreAwayError

IDLE_SECONDS = 60  # then the connection is given back
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
UNSAID_SECONDS = 10.0  # whoever uses the same database says that it is away, sooner
END_SECONDS = 2.0

Work = Callable[[CursorWrapper], object]
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Job:
    work: Work
    asked_at: float
    done: threading.Event = field(default_factory=threading.Event)
    result: Any = None
    has_failed: bool = False


def _nobody_says() -> bool:
    return False


class Channel:
    """Runs statements one after the other, each in a transaction of its own (autocommit).

    `is_said` tells whether somebody else says of this process that its database is away, or just said that it was.
    """

    def __init__(self, is_said: Callable[[], bool] = _nobody_says) -> None:
        self._is_said = is_said
        self._guard = threading.Lock()
        self._pid = 0
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._away_until = 0.0
        self._pause_seconds = 0.0
        self._failed_since = 0.0
        self._has_said = False
        self._late: _Job | None = None

    def ask(self, work: Work, *, patience_seconds: float) -> Any:
        """Run and give the result; raises StoreAwayError if it fails or takes too long."""
        if self._is_known_away():
            raise StoreAwayError
        job = self._put(work)
        if not job.done.wait(patience_seconds) or job.has_failed:
            raise StoreAwayError
        return job.result

    def tell(self, work: Work) -> None:
        """Run when possible; what a database that is away would have to hear is dropped."""
        if not self._is_known_away():
            self._put(work)

    def close(self) -> None:
        """End the thread and give the connection back; the next request begins anew."""
        with self._guard:
            thread, self._thread = self._thread, None
            self._jobs.put(None)
        if thread is not None:
            thread.join(END_SECONDS)

    def _is_known_away(self) -> bool:
        """Say whether asking would be for nothing: it failed a moment ago, or still hangs."""
        late = self._late
        hangs = late is not None and time.monotonic() - late.asked_at > FIRST_PAUSE_SECONDS
        return hangs or time.monotonic() < self._away_until

    def _put(self, work: Work) -> _Job:
        job = _Job(work, time.monotonic())
        with self._guard:
            # A child process has its parent's queue and connection, but not its thread. One that has ended
            # answers nobody.
            is_here = self._thread is not None and self._thread.is_alive()
            if not is_here or self._pid != os.getpid():
                self._pid, self._jobs, self._late = os.getpid(), SimpleQueue(), None
                self._thread = threading.Thread(
                    target=self._run, args=(self._jobs,), name="pacing", daemon=True
                )
                self._thread.start()
            self._jobs.put(job)
        return job

    def _run(self, jobs: SimpleQueue[_Job | None]) -> None:
        """Do one job after the other until told to end."""
        connection = own_connection()
        try:
            while True:
                try:
                    job = jobs.get(timeout=IDLE_SECONDS)
                except Empty:
                    connection.close()
                    continue
                if job is None:
                    return
                self._do(job, connection)
        finally:
            connection.close()

    def _do(self, job: _Job, connection: Any) -> None:
        """Do a job, and let go who waits for it, whatever it ends in."""
        self._late, job.has_failed = job, True
        try:
            with connection.cursor() as cursor:
                job.result = job.work(cursor)
            job.has_failed = False
            self._note_answer()
        except Exception as error:  # noqa: BLE001  this thread's boundary: it is away, whatever it is
            self._note_failure(error)
            connection.close()
        finally:
            self._late = None
            job.done.set()

    def _note_answer(self) -> None:
        if self._has_said:
            log.info("pacing.database_answers_again")
        self._pause_seconds, self._has_said = 0.0, False

    def _note_failure(self, error: Exception) -> None:
        """Say once what lasts, if nobody else does; leave the database alone for a while, longer each time."""
        now = time.monotonic()
        if not self._pause_seconds:
            self._failed_since = now
        lasts = now - self._failed_since >= UNSAID_SECONDS
        if lasts and not self._has_said and not self._is_said():
            self._has_said = True
            log.warning("pacing.database_away", error=type(error).__name__)
        longer = max(2 * self._pause_seconds, FIRST_PAUSE_SECONDS)
        self._pause_seconds = min(longer, LONGEST_PAUSE_SECONDS)
        self._away_until = time.monotonic() + self._pause_seconds
