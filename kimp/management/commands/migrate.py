"""Django's migrate beside a desk at work: it gives way to the workers, and nobody waits for it for long.

An ALTER TABLE that waits for its lock behind a long transaction keeps everybody waiting who comes after it.
So it waits a second, is taken back whole, and tries again later. An index that is built beside the work
(CONCURRENTLY) keeps nobody waiting, and may take as long as it takes.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg.errors
from django.contrib.postgres.operations import AddIndexConcurrently
from django.core.management.base import CommandError
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import Error, OperationalError, connection
from django.db.migrations import Migration

from cycles.services.locking import PASSING
from exchanges.own_connection import shares_its_session

LOCK_MILLISECONDS = 1_000  # less than a worker's own patience: it waits, and is refused nothing
PATIENCE_SECONDS = 300
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 10.0
ALONE = 0x6B696D70_6D696772  # "kimpmigr"
LIMITS = ("lock_timeout", "statement_timeout")
OLD_TRANSACTIONS = """
SELECT pid, application_name, round(extract(epoch FROM clock_timestamp() - xact_start))
  FROM pg_stat_activity
 WHERE datname = current_database() AND pid <> pg_backend_pid()
   AND xact_start < clock_timestamp() - interval '1 second'
 ORDER BY xact_start LIMIT 3
"""


class _AnotherError(Exception):
    """Somebody else migrates this database now."""


class Command(MigrateCommand):
    """manage.py migrate: brings the database up to date beside a desk at work, giving way to its workers."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Let the patience be chosen."""
        super().add_arguments(parser)  # type: ignore[arg-type]  # Django's own parser is one
        parser.add_argument(
            "--patience",
            type=float,
            default=PATIENCE_SECONDS,
            metavar="SECONDS",
            help=f"how long to try again while others keep the locks ({PATIENCE_SECONDS})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate; what was taken back for a lock is tried again."""
        if shares_its_session(connection):
            raise CommandError(POOLED)
        ends_at = time.monotonic() + options["patience"]
        pause = FIRST_PAUSE_SECONDS
        while (kept_by := self._try(*args, **options)) is not None:
            if time.monotonic() + pause > ends_at:
                raise CommandError(
                    f"nothing was changed by the last attempt: {kept_by}. End what holds the lock, or "
                    "wait for it, and run manage.py migrate again; what was applied stays applied"
                )
            self.stderr.write(f"\ngave way: {kept_by}; again in {pause:g} s")
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def migration_progress_callback(
        self,
        action: str,
        migration: Migration | None = None,
        fake: bool = False,  # noqa: FBT001, FBT002  Django's signature
    ) -> None:
        """Set the limits that fit a migration before it begins."""
        super().migration_progress_callback(action, migration, fake)
        if migration is None or action not in {"apply_start", "unapply_start"}:
            return
        if migration.atomic:
            _limit(lock_timeout=LOCK_MILLISECONDS)
            return
        _limit(lock_timeout=0, statement_timeout=0)
        if action == "apply_start" and not fake:
            _drop_what_was_left_of(migration)

    def _try(self, *args: Any, **options: Any) -> str | None:
        """Migrate once; give what was in the way, if anything was."""
        try:
            with _alone():
                super().handle(*args, **options)
        except _AnotherError:
            return "another manage.py migrate is at work"
        except OperationalError as error:
            if isinstance(error.__cause__, psycopg.errors.QueryCanceled):
                raise CommandError(f"{error}: {TOO_LONG}") from error
            if not isinstance(error.__cause__, PASSING):
                raise
            return f"{str(error).splitlines()[0]}; {_old_transactions()}"
        return None


POOLED = (
    "a pooler by transaction stands before PostgreSQL: limits and locks of this session would be everybody's. "
    "Run manage.py migrate with a DATABASE_URL that names PostgreSQL itself"
)
TOO_LONG = (
    "the migration was taken back; with KIMP_STATEMENT_SECONDS set higher it may take longer, and workers that "
    "need its tables wait as long"
)


@contextmanager
def _alone() -> Iterator[None]:
    """Be the only one who migrates; a session's lock, which waits for nobody and keeps no snapshot."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [ALONE])
        if not cursor.fetchone()[0]:
            raise _AnotherError
    try:
        yield
    finally:
        with suppress(Error), connection.cursor() as cursor:
            cursor.execute("; ".join(f"RESET {name}" for name in LIMITS))
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ALONE])


def _limit(**milliseconds: int) -> None:
    """Set time-outs of this session; those not named are the role's."""
    with connection.cursor() as cursor:
        for name in LIMITS:
            value = milliseconds.get(name)
            cursor.execute(f"RESET {name}" if value is None else f"SET {name} = {value}")


def _drop_what_was_left_of(migration: Migration) -> None:
    """Drop the indexes that an attempt cut short has left, invalid or whole, so that it can begin anew."""
    for operation in migration.operations:
        if isinstance(operation, AddIndexConcurrently):
            name = connection.ops.quote_name(operation.index.name)
            with connection.cursor() as cursor:
                cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


def _old_transactions() -> str:
    """Name the transactions that have been open for a while: one of them holds the lock."""
    with connection.cursor() as cursor:
        cursor.execute(OLD_TRANSACTIONS)
        told = [f"{name or 'no name'} (pid {pid}, {age} s)" for pid, name, age in cursor]
    return f"open transactions: {', '.join(told) or 'none is old'}"
