"""The database goes away under the roles: they say so once, wait, and go on where they were."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import LiteralString

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from cycles.models import Cycle
from tests.builders import person
from tests.crashes.proof import all_end, assert_one_story
from tests.crashes.running import RunningDesk, cut_connections
from tests.desk import eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

ROLES = ("feeder-1", "initiator-1", "finalizer-1")
HELD_SECONDS = 4.0  # several attempts of each role


def test_an_outage_of_the_database_is_said_once_and_waited_out(desk: RunningDesk) -> None:
    person("alice", "administrator")
    desk.start(*ROLES)
    cycles = [desk.open(asset) for asset in ("XRP", "SOL", "USDT")]
    eventually(lambda: Cycle.objects.filter(calls__isnull=False).exists())

    with _nobody_connects():
        cut_connections()
        eventually(lambda: all(_times(desk, name, "database.unreachable") for name in ROLES))
        time.sleep(HELD_SECONDS)
        told = {name: _times(desk, name, "database.unreachable") for name in ROLES}

    assert told == dict.fromkeys(ROLES, 1)
    assert all(child.poll() is None for child in desk.children.values())
    all_end(*cycles)
    assert Cycle.objects.count() == len(cycles)
    eventually(lambda: all(_times(desk, name, "database.answers_again") for name in ROLES))
    assert {name: _times(desk, name, "database.answers_again") for name in ROLES} == told
    assert_one_story(desk)


def test_a_role_that_starts_before_its_database_waits_for_it(desk: RunningDesk) -> None:
    person("alice", "administrator")
    with _nobody_connects():
        desk.start(*ROLES)
        eventually(lambda: all(_times(desk, name, "database.unreachable") for name in ROLES))
    all_end(desk.open("XRP"))
    assert {name: _times(desk, name, "database.answers_again") for name in ROLES} == dict.fromkeys(
        ROLES, 1
    )
    assert_one_story(desk)


def test_a_database_that_takes_no_writes_is_waited_for_as_one_that_is_away(
    desk: RunningDesk,
) -> None:
    desk.start(*ROLES)
    eventually(lambda: all(_times(desk, name, "role.started") for name in ROLES))
    with _nobody_writes():
        cut_connections()
        eventually(lambda: all(_times(desk, name, "database.unreachable") for name in ROLES))
    eventually(lambda: all(_times(desk, name, "database.answers_again") for name in ROLES))
    assert [_times(desk, name, "database.unreachable") for name in ROLES] == [1, 1, 1]
    assert all(child.poll() is None for child in desk.children.values())


def _times(desk: RunningDesk, name: str, event: str) -> int:
    return sum(line.get("event") == event for line in desk.lines(name))


def _nobody_connects() -> AbstractContextManager[None]:
    """Let the server turn away whoever connects to the test's database anew."""
    return _altered("ALLOW_CONNECTIONS false", back="ALLOW_CONNECTIONS true")


def _nobody_writes() -> AbstractContextManager[None]:
    """Let the server keep every session read-only that begins now."""
    word = "default_transaction_read_only"
    return _altered(f"SET {word} = on", back=f"RESET {word}")


@contextmanager
def _altered(how: LiteralString, *, back: LiteralString) -> Iterator[None]:
    """Alter the test's database for a while."""
    params = connection.get_connection_params()
    name = sql.Identifier(params["dbname"])
    other = {key: params[key] for key in ("host", "port", "user", "password")}
    with psycopg.connect(**other, dbname="postgres", autocommit=True) as server:
        server.execute(sql.SQL(f"ALTER DATABASE {{}} {how}").format(name))
        try:
            yield
        finally:
            server.execute(sql.SQL(f"ALTER DATABASE {{}} {back}").format(name))
