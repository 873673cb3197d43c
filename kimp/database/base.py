"""Django's PostgreSQL backend over the embedded server: nothing starts until a query needs it."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db.backends.postgresql.client import DatabaseClient as PostgresClient
from django.db.utils import OperationalError

from kimp import postgres
from kimp.database.pooled import PooledWrapper
from kimp.postgres_binaries import found

_pool_guard = threading.Lock()


class DatabaseClient(PostgresClient):
    """`manage.py dbshell`: the server runs for as long as the shell is open, by the programs of its own."""

    def runshell(self, parameters: Iterable[str]) -> None:
        """Start the server if need be, find `psql` beside its other programs, run it."""
        self.connection.get_connection_params()
        named = self.connection.settings_dict["OPTIONS"].get("embedded_programs")
        folder = found(named=Path(named) if named else None).folder
        os.environ["PATH"] = f"{folder}{os.pathsep}{os.environ.get('PATH', '')}"
        super().runshell(parameters)


class DatabaseWrapper(PooledWrapper):
    """Fill in host, port and password when the first connection of this process is made."""

    client_class = DatabaseClient

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's arguments; raises OperationalError when no server can be had."""
        info = postgres.held(self._home) or self._ensure_running()
        self.settings_dict |= {
            "HOST": info.host, "PORT": info.port, "USER": info.user, "PASSWORD": info.password,
        }  # fmt: skip
        params: dict[str, Any] = super().get_connection_params()
        for name in ("embedded_home", "embedded_programs"):
            params.pop(name, None)
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect; a server that was killed is started again, once."""
        try:
            return super().get_new_connection(conn_params)
        except self.Database.OperationalError:
            if postgres.status(self._home).is_running:
                raise  # the server is well: no such database, too many connections
        self._ensure_running()
        with _pool_guard:
            self.close_pool()  # it knows the server that was
        return super().get_new_connection(self.get_connection_params())

    @property
    def _home(self) -> Path:
        return Path(self.settings_dict["OPTIONS"]["embedded_home"])

    def _ensure_running(self) -> postgres.ConnectionInfo:
        programs = self.settings_dict["OPTIONS"].get("embedded_programs")
        try:
            return postgres.ensure_running(self._home, Path(programs) if programs else None)
        except postgres.PostgresError as error:
            raise OperationalError(str(error)) from error
