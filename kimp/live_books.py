"""Whether an embedded server keeps the books of a LIVE desk: asked of the server itself, which may be down."""

from __future__ import annotations

import os
from pathlib import Path

import psycopg

from kimp import postgres
from kimp.environment import chosen
from kimp.environment_files import layers, texts
from kimp.postgres_connection import ConnectionInfo, connect

DATABASES = "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate"
HAS_DESK = "SELECT to_regclass('public.cycles_desk') IS NOT NULL"
IS_LIVE = "SELECT EXISTS (SELECT FROM public.cycles_desk WHERE kind = 'LIVE')"


class UnknownKindError(Exception):
    """The server cannot be asked; the message says why."""


def are_kept_in(home: Path, project: Path) -> bool:
    """Ask every database of the server of `home`, which is shut; one that was down is stopped afterwards.

    Its programs are those that the settings of the project name, or those found.

    Raises UnknownKindError.
    """
    named = texts(layers(project, *chosen(project, os.environ), os.environ)).get("KIMP_PG_BIN")
    try:
        with postgres.asked(home, Path(named) if named else None) as info:
            return info is not None and any(_is_live(info, name) for name in _databases(info))
    except (postgres.PostgresError, psycopg.Error, OSError) as error:
        raise UnknownKindError(str(error).strip()) from error


def _databases(info: ConnectionInfo) -> list[str]:
    with connect(info, "postgres") as connection:
        return [name for (name,) in connection.execute(DATABASES)]


def _is_live(info: ConnectionInfo, database: str) -> bool:
    with connect(info, database) as connection:
        return all(connection.execute(query).fetchone() == (True,) for query in (HAS_DESK, IS_LIVE))
