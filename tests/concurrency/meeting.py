"""Threads that meet at barriers, each with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.contrib.auth.models import User
from django.db import connection

from cycles.domain.words import Channel
from cycles.errors import CycleError
from cycles.services.intervening import Actor
from tests.desk import eventually

T = TypeVar("T")
SECONDS = 20.0


class Meeting:
    """A barrier for two."""

    def __init__(self, parties: int = 2) -> None:
        self.barrier = threading.Barrier(parties, timeout=SECONDS)

    def wait(self) -> None:
        """Wait for the others."""
        self.barrier.wait()


def together(*acts: Callable[[], T]) -> list[T | CycleError]:
    """Run acts at the same moment, one thread each; a denial counts as a result."""
    start = Meeting(len(acts))

    def run(act: Callable[[], T]) -> T | CycleError:
        try:
            connection.ensure_connection()
            start.wait()
            return act()
        except CycleError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(acts)) as pool:
        tasks = [pool.submit(run, act) for act in acts]
        return [task.result(timeout=SECONDS) for task in tasks]


def root(name: str = "root") -> Actor:
    """Give an actor who may everything: groups do not survive a test that commits."""
    user, _ = User.objects.get_or_create(username=name, is_superuser=True)
    return Actor(user=user, channel=Channel.COMMAND)


def until_somebody_waits(kind: str = "advisory") -> None:
    """Wait until a transaction stands before a lock that another holds."""

    def waits() -> bool:
        with connection.cursor() as cursor:
            sql = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = %s"
            cursor.execute(sql, [kind])
            return bool(cursor.fetchone()[0])

    eventually(waits, seconds=SECONDS)
