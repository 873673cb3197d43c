"""Django's PostgreSQL backend: a pool's connections are looked at before use; read-only, or thrown out, is as good as away."""

from __future__ import annotations

import select
from collections.abc import Callable
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
WAITS = 6  # for a connection, each as long as the pool's time-out
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
    """A pool whose time-out tells of a database that gives no connection, not of many threads before one's own."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._given = 0
        super().__init__(*args, **options)

    def getconn(self, timeout: float | None = None) -> psycopg.Connection[Any]:
        """Wait on, several times as long at most, while others get theirs. Raises PoolTimeout."""
        for is_last in (*[False] * (WAITS - 1), True):
            before = self._given
            try:
                found: psycopg.Connection[Any] = super().getconn(timeout)
            except PoolTimeout:
                if is_last or self._given == before:
                    raise
            else:
                self._given += 1
                return found
        raise AssertionError("unreachable")


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
                check=look_alive,
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

    def close_if_hung_up(self) -> None:
        """Drop a connection that was kept while nobody used it, if the server has hung up on it meanwhile."""
        if self.connection is None or self.in_atomic_block:
            return
        try:
            look_alive(self.connection)
        except psycopg.Error:
            self.close()
