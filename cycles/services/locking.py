"""The only module that locks: rows, the desk's mode, and transactions that run again.

Protocol: a transaction locks the cycle row first, then accounts (by a trigger, in order of id).
The mode is read under a shared advisory lock by whoever intends or opens; halting takes it
exclusively, so that no intent commits after a HALT.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

import psycopg.errors
from django.db import (
    InterfaceError,
    OperationalError,
    connection,
    models,
    transaction,
)
from django.db.models import QuerySet

from cycles.errors import DatabaseBusyError, NotFoundError
from cycles.models import Account, Cycle

T = TypeVar("T")
M = TypeVar("M", bound=models.Model)

MODE_LOCK = 0x6B696D70  # "kimp"
ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.05
# A process that was stopped within a transaction is thrown out by the server: nothing of it was committed.
THROWN_OUT = (
    psycopg.errors.IdleInTransactionSessionTimeout,
    psycopg.errors.TransactionTimeout,
)
FREE_ROWS_ONLY = "FOR NO KEY UPDATE OF cycles_cycle SKIP LOCKED"  # as `locked` writes it, within a larger statement
FACT_SECONDS = 60  # how long a fact that stands nowhere else waits for a database that is away
PASSING = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)


def locked(queryset: QuerySet[M], *, skip: bool = False) -> QuerySet[M]:
    """Lock the rows of a queryset; `no_key` lets child rows be inserted meanwhile."""
    return queryset.select_for_update(of=("self",), no_key=True, skip_locked=skip)


def lock_cycle(cycle_id: uuid.UUID) -> Cycle:
    """Read a cycle again under its lock, for the rest of the transaction."""
    try:
        return locked(Cycle.objects.filter(pk=cycle_id)).get()
    except Cycle.DoesNotExist:
        raise NotFoundError("there is no cycle %(id)s", id=cycle_id) from None


def lock_desk_account(venue: str, asset: str) -> Account | None:
    """Lock the desk's account of an asset: whoever opens next waits here."""
    return locked(Account.objects.filter(venue=venue, asset=asset, owner="DESK")).first()


def share_mode() -> None:
    """Hold the desk's mode as it is until this transaction ends; others may share it."""
    _advisory("pg_advisory_xact_lock_shared")


def own_mode() -> None:
    """Hold the desk's mode alone until this transaction ends: waits for every intent under way."""
    _advisory("pg_advisory_xact_lock")


def _advisory(function: str) -> None:
    """Take the advisory lock of the desk's mode."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}(%s)", [MODE_LOCK])


def in_transaction(work: Callable[[], T]) -> T:
    """Run `work` in one durable transaction; again, up to 5 times, when the database ended it whole.

    On a lock time-out, a deadlock, or where this process slept for longer than a transaction may be idle.
    `work` must touch nothing but the database. Raises DatabaseBusyError when it keeps failing.
    """
    return _again_while_busy(work, lambda: transaction.atomic(durable=True))


def in_one_statement(work: Callable[[], T], *, attempts: int = ATTEMPTS) -> T:
    """Run `work`, which sends one statement: it commits by itself, and runs again as `in_transaction` does.

    BEGIN and COMMIT would be two more round trips. In somebody's transaction it is refused likewise.
    """

    def nothing_around() -> AbstractContextManager[object]:
        return transaction.atomic(durable=True) if connection.in_atomic_block else nullcontext()

    return _again_while_busy(work, nothing_around, attempts)


def _again_while_busy(
    work: Callable[[], T], around: Callable[[], Any], attempts: int = ATTEMPTS
) -> T:
    for attempt in range(1, attempts + 1):
        try:
            with around():
                return work()
        except OperationalError as error:
            if isinstance(error.__cause__, THROWN_OUT):
                connection.close()
            elif not isinstance(error.__cause__, PASSING):
                raise
            if attempt == attempts:
                raise DatabaseBusyError(
                    "the database kept a row locked by others; try again shortly"
                ) from error
        # Not a retry of anything outside: the transaction rolled back whole.
        time.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311  jitter
    raise AssertionError("unreachable")


def persistently(work: Callable[[], T]) -> T:
    """Run `work` until the database takes it, for a minute: what only this process knows.

    `work` must bear being run twice: a connection that is lost inside a commit tells nothing.
    """
    ends_at = time.monotonic() + FACT_SECONDS
    while True:
        try:
            return in_transaction(work)
        except (OperationalError, InterfaceError, DatabaseBusyError):
            if time.monotonic() >= ends_at:
                raise
            connection.close()
        time.sleep(random.uniform(0.1, 1.0))  # noqa: S311  jitter
