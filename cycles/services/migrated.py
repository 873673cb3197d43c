"""Does the database have what this code's migrations make of it? Those of a newer release do no harm."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import ProgrammingError, connection
from django.db.migrations.executor import MigrationExecutor

from cycles.errors import NotMigratedError


def unapplied() -> list[str]:
    """Name the migrations of this code that the database lacks, in their order."""
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [str(migration) for migration, _ in plan]


def require_migrated() -> None:
    """Refuse to work on a database that is older than this code."""
    missing = unapplied()
    if missing:
        raise NotMigratedError(missing)


def explanation(error: Exception) -> NotMigratedError | None:
    """Give why a statement failed, if it did because the database is older than this code."""
    missing = unapplied() if isinstance(error, ProgrammingError) else []
    return NotMigratedError(missing) if missing else None


@contextmanager
def explained() -> Iterator[None]:
    """Say so where a statement failed because the database is older than this code."""
    try:
        yield
    except ProgrammingError as error:
        older = explanation(error)
        if older is not None:
            raise older from error
        raise
