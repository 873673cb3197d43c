"""Threads that meet at barriers, each with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.db import connection, transaction

from cycles.domain.words import Channel
from cycles.errors import CycleError
from cycles.services.intervening import Actor
from tests.desk import eventually

T = TypeVar("T")
SECONDS = 20.0
# The server is other tests' as well. Who is connected to which database stands still within a transaction; locks do not.
WAITING = """SELECT count(*) FROM pg_locks w WHERE NOT w.granted AND w.locktype = ANY(%s) AND EXISTS (
    SELECT FROM pg_locks h JOIN pg_database d ON d.oid = h.database
     WHERE h.pid = w.pid AND d.datname = current_database())"""


class Meeting:
    """A barrier for two."""

    def __init__(self, parties: int = 2) -> None:
        self.barrier = threading.Barrier(parties, timeout=SECONDS)

    def wait(self) -> None:
        """Wait for the others."""
        self.barrier.wait()

    @contextmanager
    def before(self, statement: str) -> Iterator[None]:
        """Wait for the others before each statement that begins so, in this thread, for a block."""

        def meet(execute: Callable[..., Any], sql: Any, *rest: Any) -> Any:
            if str(sql).startswith(statement):
                self.wait()
            return execute(sql, *rest)

        with connection.execute_wrapper(meet):
            yield


def together(*acts: Callable[[], T]) -> list[T | CycleError]:
    """Run acts at the same moment, one thread each; a denial counts as a result."""
    start = Meeting(len(acts))

    def run(act: Callable[[], T]) -> T | CycleError:
        return told(act, begin=start.wait)

    with ThreadPoolExecutor(len(acts)) as pool:
        tasks = [pool.submit(run, act) for act in acts]
        return [task.result(timeout=SECONDS) for task in tasks]


def told(act: Callable[[], T], *, begin: Callable[[], None] = lambda: None) -> T | CycleError:
    """Act on a thread of a test, which gives its connection back; a denial counts as a result."""
    try:
        connection.ensure_connection()
        begin()
        return act()
    except CycleError as error:
        return error
    finally:
        connection.close()


def queued(
    lock: Callable[[], object], one: Callable[[], T], other: Callable[[], T]
) -> list[T | CycleError]:
    """Run two acts while a lock is held, and give it up when both have come as far as to wait for it, the other last."""
    tasks: list[Future[T | CycleError]] = []
    with ThreadPoolExecutor(2) as pool:
        with transaction.atomic():
            lock()
            for act in (one, other):
                tasks.append(pool.submit(told, act))
                # A row's second waits for who waits.
                until_somebody_waits("advisory", "transactionid", "tuple", by=len(tasks))
        return [task.result(timeout=SECONDS) for task in tasks]


def root(name: str = "root") -> Actor:
    """Give an actor who may everything: groups do not survive a test that commits."""
    user, _ = User.objects.get_or_create(username=name, is_superuser=True)
    return Actor(user=user, channel=Channel.COMMAND)


def until_somebody_waits(*kinds: str, by: int = 1) -> None:
    """Wait until so many stand before a lock that another holds, an advisory one unless other kinds are named."""
    eventually(lambda: is_waited_for(*kinds or ("advisory",), by=by), seconds=SECONDS)


def is_waited_for(*kinds: str, by: int = 1) -> bool:
    """Say whether so many transactions stand before locks of these kinds that others hold."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [list(kinds)])
        return bool(cursor.fetchone()[0] >= by)
