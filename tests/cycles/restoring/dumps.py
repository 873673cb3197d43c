"""Dumps of the desk's database, restored into a database of their own that this process then works on.

PostgreSQL's own programs make that database, once for each process; what they would write into it of a later dump,
its rows and how far its sequences are, is laid down without them. Tests of the programs themselves ask for them.
"""

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
from tests import snapshot
from tests.tables import empty_tables


@dataclass
class Place:
    """The database that dumps are restored into; none before it is made."""

    own: str = field(default_factory=lambda: str(connection.settings_dict["NAME"]))
    is_made: bool = False

    @property
    def name(self) -> str:
        """Name it so that a later run drops it if this one cannot."""
        return f"{self.own}_restored"

    def make(self, dump: Path) -> None:
        """Make it anew from a dump of the programs'."""
        self.drop()
        about_database("CREATE DATABASE {} TEMPLATE template0", self.name)
        _run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={self.name}", str(dump))
        self.is_made = True

    def drop(self) -> None:
        """Let it be no more."""
        about_database("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name)
        self.is_made = False

    def enter(self) -> None:
        """Go on there as a process that has just begun."""
        assert connection.settings_dict["NAME"] == self.own, "a second restore would be at home"
        _work_on(self.name)

    def leave(self) -> None:
        """Work on the own database again."""
        _work_on(self.own)


@dataclass
class Backups:
    """Dumps, as rows in memory, and the one that is restored."""

    folder: Path
    place: Place

    def dump(self) -> Any:
        """Take a dump of all that is committed."""
        return snapshot.take_all()

    def restore(self, dump: Any) -> None:
        """Restore a dump, and go on there."""
        if not self.place.is_made:
            self.place.make(_dumped(self.folder, self.place.own))
        self.place.enter()
        empty_tables()
        dump.lay_down(turns_back=True)


class ProgramsBackups(Backups):
    """Dumps by PostgreSQL's own programs, each restored into a new database."""

    def dump(self) -> Path:
        """Take a dump of all that is committed."""
        return _dumped(self.folder, self.place.own)

    def restore(self, dump: Path) -> None:
        """Restore a dump, and go on there."""
        self.place.make(dump)
        self.place.enter()


def _work_on(name: str) -> None:
    registry.forget()
    connection.close()
    connection.settings_dict["NAME"] = name


def _dumped(folder: Path, database: str) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.dump"
    _run("pg_dump", "--format=custom", "--compress=none", f"--file={path}", database)
    return path


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
