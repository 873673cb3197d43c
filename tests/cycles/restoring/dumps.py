"""Dumps by PostgreSQL's own programs, restored into a database of their own that this process then works on."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection

from exchanges import registry
from kimp import postgres_binaries
from kimp.demo.place import about_database


@dataclass
class Backups:
    """Dumps of the desk's database, and the one that is restored."""

    folder: Path
    own: str = field(default_factory=lambda: str(connection.settings_dict["NAME"]))
    taken: int = 0

    @property
    def restored(self) -> str:
        """Name the database that dumps are restored into."""
        return f"{self.own}_restored"

    def dump(self) -> Path:
        """Take a dump of all that is committed."""
        self.taken += 1
        path = self.folder / f"{self.taken}.dump"
        _run("pg_dump", "--format=custom", "--compress=none", f"--file={path}", self.own)
        return path

    def restore(self, dump: Path) -> None:
        """Restore a dump into a new database, and go on there as a process that has just begun."""
        self._create()
        _run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={self.restored}", str(dump))
        self._work_on(self.restored)

    def go_back(self) -> None:
        """Work on the own database again; the restored one is dropped."""
        self._work_on(self.own)
        self._drop()

    def _create(self) -> None:
        self._drop()
        about_database("CREATE DATABASE {} TEMPLATE template0", self.restored)

    def _drop(self) -> None:
        about_database("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.restored)

    def _work_on(self, name: str) -> None:
        registry.forget()
        connection.close()
        connection.settings_dict["NAME"] = name


def _run(program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs against the server that this process is connected to."""
    connection.ensure_connection()
    info: Any = connection.connection.info
    found = postgres_binaries.found()
    environment = {
        **os.environ,
        "PGHOST": info.host,
        "PGPORT": str(info.port),
        "PGUSER": info.user,
        "PGPASSWORD": info.password,
    }
    subprocess.run([found.folder / program, *arguments], env=environment, check=True, timeout=60)
