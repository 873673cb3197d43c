"""Notices between processes: something has fallen due now, so nobody sleeps on. They may get lost; polls find all.

A notice costs a commit a fifth of its time or more: only what comes due from outside the engine sends one.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import structlog
from django.db import Error, connection

from exchanges.own_connection import own_connection, shares_its_session
from exchanges.trouble import Trouble

log = structlog.get_logger(__name__)

CHANNEL = "kimp_due"
TURN_SECONDS = 1.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
POOLED = "a pooler by transaction stands before PostgreSQL: what is due is found by the look once a second"


def tell() -> None:
    """Tell all workers, once this transaction commits, that something is due."""
    with connection.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")


class Listener:
    """Listens on a thread with a connection of its own, until `stop` is set; `hear` must not raise.

    Behind a pooler by transaction nobody hears: it says so once, and leaves everything to the polls.
    """

    def __init__(self, hear: Callable[[], None], stop: threading.Event) -> None:
        self._hear, self._stop = hear, stop
        self._pause = FIRST_PAUSE_SECONDS

    def start(self) -> threading.Thread:
        """Begin to listen."""
        thread = threading.Thread(target=self._run, name="listener", daemon=True)
        thread.start()
        return thread

    def _run(self) -> None:
        may_hear, trouble = True, Trouble("listener")
        while may_hear and not self._stop.is_set():
            try:
                may_hear = self._listen()
            except Error as error:
                # Workers look once a second anyway, and say it when the database is away.
                log.debug("notices.not_heard", error=type(error).__name__)
                self._stop.wait(self._pause * random.uniform(0.5, 1.0))  # noqa: S311  jitter
                self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
            except Exception as error:  # noqa: BLE001  this thread's boundary, told there
                self._stop.wait(trouble.tell(error).total_seconds())

    def _listen(self) -> bool:
        """Hear notices on one connection until it breaks; false if there is none to be heard."""
        line = own_connection()
        try:
            if shares_its_session(line):
                # A LISTEN would stay behind in the session of whoever is served next.
                log.warning("notices.off", why=POOLED)
                return False
            with line.cursor() as cursor:
                cursor.execute(f"LISTEN {CHANNEL}")
            self._pause = FIRST_PAUSE_SECONDS
            self._hear()  # what was told before we listened
            with line.wrap_database_errors:
                while not self._stop.is_set():
                    for _ in line.connection.notifies(timeout=TURN_SECONDS, stop_after=1):
                        self._hear()
            return True
        finally:
            line.close()
