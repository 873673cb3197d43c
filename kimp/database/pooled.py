"""Django's PostgreSQL backend: a pool's connections are looked at before use; read-only, or thrown out, is as good as away."""

from __future__ import annotations

import math
import select
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import Any

import psycopg
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base as postgresql
from django.db.utils import DatabaseErrorWrapper, OperationalError
from django.utils.module_loading import import_string
from psycopg.errors import (
    IdleInTransactionSessionTimeout,
    ReadOnlySqlTransaction,
    TransactionTimeout,
)
from psycopg_pool import ConnectionPool, PoolTimeout

WARMED_BY = "warmed_by"  # of a pool's options: what is called with each new connection
Warming = Callable[[psycopg.Connection[Any]], None]
WAITS = 6  # as long as the pool's time-out, at most, for a connection
AS_GOOD_AS_AWAY = (ReadOnlySqlTransaction, IdleInTransactionSessionTimeout, TransactionTimeout)


def look_alive(connection: psycopg.Connection[Any]) -> None:
    """Raise psycopg's error if the server has hung up on an idle connection.

    An idle server says nothing: where nothing came there is nothing to ask. Asking before each statement, as
    Django's own check does, is one more round trip. A network that swallows everything shows at neither.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)


class Turns(ConnectionPool[Any]):
    """A pool that is asked by one thread at a time, in the order in which they came.

    Its time-out tells of a database that gives no connection, not of many threads before one's own. In the pool's own
    queue whoever waits on after a time-out stands at the end, behind those that were served meanwhile. What it gives
    out has been looked at: where the server has hung up, the next is taken at once, for all others stand behind.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self._guard = threading.Lock()
        self._line: deque[threading.Event] = (
            deque()
        )  # told when their turn has come, as the first's has
        self._given_at = -math.inf
        super().__init__(*args, **options)

    def getconn(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        """Wait until nobody has got one for as long, and several times as long at most. Raises PoolTimeout."""
        began, patience = time.monotonic(), self.timeout if timeout is None else timeout

        def left() -> float:
            now, ends = time.monotonic(), max(began, self._given_at) + patience
            return max(min(ends, began + WAITS * patience) - now, 0)

        with self._in_line() as turn:
            while not turn.wait(left()):
                if not left():
                    raise PoolTimeout(f"no connection within {patience:.2f} sec and more")
            found = self._alive(left)
            self._given_at = time.monotonic()
        return found

    @contextmanager
    def _in_line(self) -> Iterator[threading.Event]:
        """Stand behind all that came before, for a block; gives what says when all of those have gone."""
        turn = threading.Event()
        with self._guard:
            self._line.append(turn)
            self._line[0].set()
        try:
            yield turn
        finally:
            with self._guard:
                self._line.remove(turn)
                if self._line:
                    self._line[0].set()

    def _alive(self, left: Callable[[], float]) -> psycopg.Connection[Any]:
        while True:
            found: psycopg.Connection[Any] = super().getconn(left())
            try:
                look_alive(found)
            except psycopg.Error:
                self.putconn(found)  # which replaces it
            else:
                return found


class Errors(DatabaseErrorWrapper):
    """Take a server that takes no writes for one that is away: it is waited for, or another is the primary now.

    So too one that has thrown this process out, which slept within a transaction: Django has it for an internal error,
    and nobody waits for those.
    """

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Hang up on it, for a session stays as it began; Django has it for an error of its own."""
        if not isinstance(exc_value, AS_GOOD_AS_AWAY):
            super().__exit__(exc_type, exc_value, traceback)
            return
        ours: Any = self  # what Django's stubs do not tell of
        wrapper = ours.wrapper
        wrapper.errors_occurred = True
        if wrapper.connection is not None:
            wrapper.connection.close()
        raise OperationalError(*exc_value.args).with_traceback(traceback) from exc_value


class PooledWrapper(postgresql.DatabaseWrapper):
    """Make the pool as Django does, but for its check."""

    @cached_property
    def wrap_database_errors(self) -> Errors:
        """Give what turns psycopg's errors into Django's."""
        return Errors(self)

    @property
    def pool(self) -> ConnectionPool[Any] | None:
        """Give this process's pool of the alias; None where none is wanted."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        ours: Any = self  # what Django's stubs do not tell of
        pools = ours._connection_pools  # noqa: SLF001  Django makes it so
        if self.alias not in pools:
            others = dict(options)
            made = Turns(
                kwargs={**self.get_connection_params(), "autocommit": True},
                open=False,
                configure=self._made_ready(others.pop(WARMED_BY, None)),
                **others,
            )
            pools.setdefault(self.alias, made)
        found: ConnectionPool[Any] = pools[self.alias]
        return found

    def _made_ready(self, warmed_by: str | None) -> Warming:
        """Give what sets a new connection up, as Django does, and then warms it."""
        ours: Any = self
        configure: Warming = ours._configure_connection  # noqa: SLF001  Django makes it so
        if warmed_by is None:
            return configure
        warm: Warming = import_string(warmed_by)

        def ready(connection: psycopg.Connection[Any]) -> None:
            configure(connection)
            warm(connection)

        return ready

    def close_if_hung_up(self) -> bool:
        """Drop a connection that was kept while nobody used it, if the server has hung up on it meanwhile; say whether it had."""
        if self.connection is None or self.in_atomic_block:
            return False
        try:
            look_alive(self.connection)
        except psycopg.Error:
            self.close()
            return True
        return False
