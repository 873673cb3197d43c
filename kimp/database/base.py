"""Django's PostgreSQL backend over the embedded server: nothing starts until a query needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db.backends.postgresql import base as postgresql
from django.db.utils import OperationalError

from kimp import postgres


class DatabaseWrapper(postgresql.DatabaseWrapper):
    """Fill in host, port and password when the first connection of this process is made."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return psycopg's arguments; raises OperationalError when no server can be had."""
        options = self.settings_dict["OPTIONS"]
        home = Path(options["embedded_home"])
        info = postgres.held(home)
        if info is None:
            try:
                programs = options.get("embedded_programs")
                info = postgres.ensure_running(home, Path(programs) if programs else None)
            except postgres.PostgresError as error:
                raise OperationalError(str(error)) from error
        self.settings_dict |= {
            "HOST": info.host, "PORT": info.port, "USER": info.user, "PASSWORD": info.password,
        }  # fmt: skip
        params: dict[str, Any] = super().get_connection_params()
        for name in ("embedded_home", "embedded_programs"):
            params.pop(name, None)
        return params
