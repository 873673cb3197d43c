"""Django's PostgreSQL backend with a pool whose connections are looked at before use instead of asked."""

from __future__ import annotations

import select
from typing import Any

import psycopg
from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.postgresql import base as postgresql
from psycopg_pool import ConnectionPool


def look_alive(connection: psycopg.Connection[Any]) -> None:
    """Raise psycopg's error if the server has hung up on an idle connection.

    An idle server says nothing: where nothing came there is nothing to ask. Asking before each statement, as
    Django's own check does, is one more round trip. A network that swallows everything shows at neither.
    """
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    if poll.poll(0):
        ConnectionPool.check_connection(connection)


class PooledWrapper(postgresql.DatabaseWrapper):
    """Make the pool as Django does, but for its check."""

    @property
    def pool(self) -> ConnectionPool[Any] | None:
        """Give this process's pool of the alias; None where none is wanted."""
        options = self.settings_dict["OPTIONS"].get("pool")
        if self.alias == NO_DB_ALIAS or not options:
            return None
        ours: Any = self  # what Django's stubs do not tell of
        pools = ours._connection_pools  # noqa: SLF001  Django makes it so
        if self.alias not in pools:
            made: ConnectionPool[Any] = ConnectionPool(
                kwargs={**self.get_connection_params(), "autocommit": True},
                open=False,
                configure=ours._configure_connection,  # noqa: SLF001
                check=look_alive,
                **options,
            )
            pools.setdefault(self.alias, made)
        found: ConnectionPool[Any] = pools[self.alias]
        return found
