"""A database that does not answer: said once, waited out with a growing pause, said to be over."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection
from psycopg_pool import ConnectionPool

from cycles.services.locking import PASSING

log = structlog.get_logger(__name__)

UNREACHABLE = (OperationalError, InterfaceError)
FIRST_PAUSE = timedelta(milliseconds=500)
LONGEST_PAUSE = timedelta(seconds=10)
# A thread that began to wait for a connection in the outage may give up only after it.
ECHO_SECONDS = 6.0
# A machine that starts has its database a little later; an address that is wrong should not be waited for.
PATIENCE_AT_START = timedelta(seconds=30)
LONG_AGO = timedelta(days=-36_500)
JITTER = random.SystemRandom()


def longer(pause: timedelta) -> timedelta:
    """Give the pause after that one."""
    return min(max(pause * 2, FIRST_PAUSE), LONGEST_PAUSE)


def own_clock() -> timedelta:
    """Give this process's own clock, which nobody sets."""
    return timedelta(seconds=time.monotonic())


def spare_connection() -> None:
    """Give this thread's connection back to the pool while the thread waits for something else.

    A worker drives many more cycles than it has connections. Without a pool each thread keeps its own.
    """
    if connection.settings_dict["OPTIONS"].get("pool") and not connection.in_atomic_block:
        connection.close()


def lend_connection() -> None:
    """Give this thread's connection back for a short wait, unless nobody could lack it.

    While half of the pool is free, taking it again would cost more than giving it back brings. An only one is
    always lacking.
    """
    pool: ConnectionPool[Any] | None = getattr(connection, "pool", None)
    if pool is None:
        return
    told = pool.get_stats()
    free = told["pool_max"] - told["pool_size"] + told["pool_available"]
    if free < max(told["pool_max"] // 2, 1):
        spare_connection()


def drop_dead_connection() -> bool:
    """Drop the connection that this thread has kept, if the server has hung up on it meanwhile; say whether it had."""
    look: Callable[[], bool] | None = getattr(connection, "close_if_hung_up", None)
    return look is not None and look()


def _drain_pool() -> None:
    """Throw away what lies in the pool: one by one each would be found dead, and the pool waits longer after each."""
    pool: ConnectionPool[Any] | None = getattr(connection, "pool", None)
    if pool is not None:
        pool.drain()


class Outage:
    """What the threads of one process know of their database."""

    def __init__(self, clock: Callable[[], timedelta] = own_clock) -> None:
        self.clock = clock
        self._guard = threading.Lock()
        self.is_told = False
        self.failures = 0  # met so far, by all threads
        self._ended_at = LONG_AGO
        self._pause = timedelta(0)
        self._refusal = timedelta(0)  # the pause of what is refused meanwhile
        self._refused_at = LONG_AGO  # when it became so long

    def is_near(self) -> bool:
        """Say whether it is known, or was over a moment ago."""
        return self.is_told or self.clock() - self._ended_at < timedelta(seconds=ECHO_SECONDS)

    def tell(self, error: Exception) -> None:
        """Say it, unless it is known already; drop this thread's connection.

        A lock that somebody kept for too long is no outage: whoever waited looks again.
        """
        if isinstance(error.__cause__, PASSING):
            log.warning("database.busy", error=type(error.__cause__).__name__)
            return
        connection.close()
        with self._guard:
            is_news = not self.is_near()
            self.is_told = self.is_told or is_news
            self.failures += 1
        if is_news:
            log.warning("database.unreachable", error=type(error.__cause__ or error).__name__)
            _drain_pool()

    def longer_pause(self) -> timedelta:
        """Give how long to leave the database alone: twice as long each time, with jitter."""
        self._pause = longer(self._pause)
        return self._pause * JITTER.uniform(0.5, 1.0)

    def refusal_pause(self, claimed_at: timedelta) -> timedelta:
        """Give how long to leave alone what was claimed then and refused since: longer if it goes on, with jitter.

        It grows only by what the database leased after the last refusal: threads that meet one outage, one after
        another, meet one refusal. So do those that meet it within half of the pause; after four pauses it is another.
        """
        now = self.clock()
        with self._guard:
            lasted = now - self._refused_at
            is_new = lasted > self._refusal * 4
            goes_on = claimed_at > self._refused_at and lasted >= self._refusal / 2
            if is_new or goes_on:
                self._refusal = FIRST_PAUSE if is_new else longer(self._refusal)
                self._refused_at = now
            return self._refusal * JITTER.uniform(0.5, 1.0)

    def end(self, known: int) -> None:
        """Say that the database answers again, if it did not: it did what was asked after `known` failures.

        If there were more since, that tells nothing of how it is now.
        """
        with self._guard:
            if self.failures != known:
                return
            was_told, self.is_told = self.is_told, False
            self._pause = timedelta(0)
            if was_told:
                self._ended_at = self.clock()
        if was_told:
            log.info("database.answers_again")


def once_it_answers(work: Callable[[], object], stop: threading.Event) -> bool:
    """Run `work`, which begins a process, once the database answers; False when told to stop meanwhile.

    Raises what the last attempt raised when it has not answered within half a minute.
    """
    outage, gives_up_at = Outage(), time.monotonic() + PATIENCE_AT_START.total_seconds()
    while not stop.is_set():
        known = outage.failures
        try:
            work()
        except UNREACHABLE as error:
            outage.tell(error)
            if time.monotonic() >= gives_up_at:
                raise
            stop.wait(outage.longer_pause().total_seconds())
        else:
            outage.end(known)
            return True
    return False
