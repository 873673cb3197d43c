"""The database goes away under the roles: they say so once, wait, and go on where they were."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import LiteralString

import psycopg
import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from psycopg import sql

from cycles.models import Cycle
from tests import builders
from tests.builders import person
from tests.crashes.proof import END_SECONDS, all_end, assert_one_story, tend_dead_letters
from tests.crashes.running import RunningDesk, cut_connections
from tests.desk import eventually
from tests.kimp.processes import database_url
from tests.kimp.relaying import Relay

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

DRIVERS = ("initiator-1", "finalizer-1")
ROLES = ("feeder-1", *DRIVERS)
IN_TIME = 10  # seconds: what Ctrl-C promises
HELD_SECONDS = 4.0  # several attempts of each role
COUNTING = """
CREATE SEQUENCE kimp_test_claims;
CREATE FUNCTION kimp_test_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_query() LIKE '%SET lease_owner%' THEN PERFORM nextval('kimp_test_claims'); END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER counted AFTER UPDATE ON cycles_cycle FOR EACH STATEMENT EXECUTE FUNCTION kimp_test_count();
"""
ANSWERS_LATE = {
    "venue": "binance", "method": "POST", "path_regex": "/order$", "when": "once",
    "action": "delay_ms", "args": {"value": 2000},
}  # fmt: skip
QUIET = ("debug", "info")
ONE = ["database.unreachable"]
MOST_TRIED = 80  # by the three of them meanwhile: 10 to 55 with their pauses, hundreds without
TROUBLES: dict[str, tuple[LiteralString, LiteralString]] = {
    "away": ("ALLOW_CONNECTIONS false", "ALLOW_CONNECTIONS true"),
    "out of connections": ("CONNECTION LIMIT 0", "CONNECTION LIMIT -1"),
    "read-only": (
        "SET default_transaction_read_only = on",
        "RESET default_transaction_read_only",
    ),
}


@pytest.fixture
def as_a_plain_user(desk: RunningDesk, between: Relay) -> Iterator[None]:
    """Let roles connect, by the relay, as somebody whom limits hold for."""
    with plain_user() as name:
        desk.variables["DATABASE_URL"] = database_url(user=name, port=between.port)
        yield
        desk.end_all()


@contextmanager
def plain_user() -> Iterator[str]:
    """Make somebody whom limits hold for, and give the name: the tests' own user has none."""
    params = connection.get_connection_params()
    name = f"{params['dbname']}_plain"
    plain, own = sql.Identifier(name), sql.Identifier(params["user"])
    with connection.cursor() as cursor:
        cursor.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(plain))
        cursor.execute(
            sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE {}").format(
                plain, sql.Literal(params["password"]), own
            )
        )
    try:
        yield name
    finally:
        with connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP ROLE {}").format(plain))


@pytest.fixture
def claims_are_counted(desk: RunningDesk) -> Iterator[None]:
    """Let the database count claims, whether they find a cycle or not; a new connection warms other statements up."""
    with connection.cursor() as cursor:
        cursor.execute(COUNTING)
        yield
        desk.end_all()
        cursor.execute("DROP FUNCTION kimp_test_count CASCADE; DROP SEQUENCE kimp_test_claims")


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_trouble_of_the_database_is_said_once_and_waited_out(
    desk: RunningDesk, between: Relay, as_a_plain_user: None, trouble: str
) -> None:
    """And a database that is in trouble is left alone: few connections are tried, few statements refused."""
    person("alice", "administrator")
    desk.start(*ROLES)
    cycles = [desk.open(asset) for asset in ("XRP", "USDT")]
    eventually(lambda: all(one.calls.filter(is_settled=True).exists() for one in cycles))

    with altered(*TROUBLES[trouble]):
        if trouble == "away":
            _find_the_port_closed(desk, between)
        cut_connections()
        eventually(lambda: all(_times(desk, name, "database.unreachable") for name in ROLES))
        connections, refused = between.opened, _refused()
        time.sleep(HELD_SECONDS)
        connections, refused = between.opened - connections, _refused() - refused
        told = {name: _times(desk, name, "database.unreachable") for name in ROLES}
        assert Cycle.objects.filter(ended_at=None).exists()

    assert connections <= MOST_TRIED  # the pool's own pauses, where none is let in
    assert refused <= MOST_TRIED
    assert told == dict.fromkeys(ROLES, 1)
    assert all(child.poll() is None for child in desk.children.values())
    all_end(*cycles)
    assert Cycle.objects.count() == len(cycles)
    eventually(lambda: all(_times(desk, name, "database.answers_again") for name in ROLES))
    assert {name: _times(desk, name, "database.answers_again") for name in ROLES} == told
    assert {name: _complaints(desk, name) for name in ROLES} == dict.fromkeys(ROLES, ONE)
    assert_one_story(desk)


def _find_the_port_closed(desk: RunningDesk, between: Relay) -> None:
    """Stop the server for a while; that it refuses as it starts again is no other outage."""
    with between.closed():
        eventually(lambda: all(_times(desk, name, "database.unreachable") for name in ROLES))
        time.sleep(HELD_SECONDS)
        told = {name: _times(desk, name, "database.unreachable") for name in ROLES}
    assert told == dict.fromkeys(ROLES, 1)


def test_a_role_that_starts_before_its_database_waits_for_it_or_ends_when_told_to(
    desk: RunningDesk, between: Relay
) -> None:
    """Nobody listens at its port yet."""
    person("alice", "administrator")
    with between.closed():
        starting = (*ROLES, "initiator-2")
        desk.start(*starting)
        eventually(lambda: all(_times(desk, name, "database.unreachable") for name in starting))
        desk.signal("initiator-2", signal.SIGTERM)
        assert desk.children["initiator-2"].wait(timeout=IN_TIME) == 0, desk.tail("initiator-2")
    all_end(desk.open("XRP"))
    for event in ("database.unreachable", "database.answers_again"):
        assert [_times(desk, name, event) for name in ROLES] == [1, 1, 1], event
    assert {name: _complaints(desk, name) for name in starting} == dict.fromkeys(starting, ONE)
    assert_one_story(desk)


def test_a_server_that_is_slow_and_then_stands_still_costs_time_only(
    desk: RunningDesk, between: Relay
) -> None:
    """Statements wait for a table until `statement_timeout` ends them; then nothing gets through, and leases run out.

    Who is told to stop meanwhile, while a venue is asked for it, ends in time, and well; what it had is another's later.
    """
    person("alice", "administrator")
    desk.variables["KIMP_STATEMENT_SECONDS"] = "1"
    drivers = (*DRIVERS, "initiator-2")
    desk.start(*ROLES, "initiator-2")
    cycles = [desk.open("USDT")]
    eventually(lambda: cycles[0].calls.filter(is_settled=True).exists())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '20s'")
        cursor.execute("LOCK TABLE cycles_cycle IN SHARE MODE")
        eventually(lambda: all(_given_up(desk, name) for name in drivers))
        assert [_given_up(desk, name) for name in drivers] == [1, 1, 1]
    eventually(lambda: all(_times(desk, name, "database.answers_again") for name in drivers))

    late = desk.fault(**ANSWERS_LATE)
    cycles.append(desk.open("XRP"))
    eventually(lambda: desk.fired(late))  # it was sent: what nobody has sent is looked for in vain
    with between.held():
        eventually(lambda: between.held_up >= len(ROLES))
        owner, fence = _lease(cycles[1])
        stopped = next(name for name in drivers if owner.endswith(f":{desk.children[name].pid}"))
        desk.signal(stopped, signal.SIGTERM)
        assert desk.children[stopped].wait(timeout=IN_TIME) == 0, desk.tail(stopped)
        assert _lease(cycles[1]) == (owner, fence)  # it could not be handed back

    def all_ended() -> bool:
        tend_dead_letters(desk)  # who is cut short as it intends to send coins leaves one
        return not Cycle.objects.exclude(status="COMPLETED").exists()

    eventually(all_ended, seconds=END_SECONDS)
    assert _lease(cycles[1])[1] > fence
    assert Cycle.objects.count() == len(cycles)
    left = [name for name in (*ROLES, "initiator-2") if name != stopped]
    assert all(desk.children[name].poll() is None for name in left)
    _assert_said_once_each_time(desk, *left)
    assert sorted(set(_complaints(desk, stopped))) == [*ONE, "worker.leaves_in_flight"]
    assert_one_story(desk)


def _assert_said_once_each_time(desk: RunningDesk, *names: str) -> None:
    """Once while the server was slow, once while it stood still, if anybody asked it then."""
    for name in names:
        told = _times(desk, name, "database.unreachable")
        assert told <= 2, name
        assert _times(desk, name, "database.answers_again") == told, name
        assert _complaints(desk, name) == ONE * told, name


def _lease(cycle: Cycle) -> tuple[str, int]:
    """Give whose a cycle is, and how often it was leased."""
    return Cycle.objects.values_list("lease_owner", "fence").get(pk=cycle.pk)


@pytest.mark.parametrize("role", DRIVERS)
def test_a_role_with_nothing_to_do_claims_once_a_second(
    desk: RunningDesk, claims_are_counted: None, role: str
) -> None:
    builders.cycle(wake_at=Now() + builders.HOUR)
    desk.start(role)
    eventually(lambda: _times(desk, role, "role.started"))
    before = _claims()
    eventually(lambda: _claims() > before + 1)  # the claims of its start
    before, began = _claims(), time.monotonic()
    time.sleep(HELD_SECONDS)
    claims, seconds = _claims() - before, time.monotonic() - began
    assert claims <= seconds + 1  # one a second


def _claims() -> int:
    """Count what has tried to change cycles so far."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM kimp_test_claims")
        return int(cursor.fetchone()[0])


def _refused() -> int:
    """Count the transactions in this database that did not come to their end."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT xact_rollback FROM pg_stat_database WHERE datname = current_database()"
        )
        return int(cursor.fetchone()[0])


def _given_up(desk: RunningDesk, name: str) -> int:
    """Count what was said; the transaction that is open here is not left idle meanwhile."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return _times(desk, name, "database.unreachable", error="QueryCanceled")


def _times(desk: RunningDesk, name: str, event: str, **facts: str) -> int:
    told = {"event": event, **facts}
    return sum(told.items() <= line.items() for line in desk.lines(name))


def _complaints(desk: RunningDesk, name: str) -> list[str]:
    """Name the warnings and errors of a child, and give what it wrote that is no line of its log, as a traceback is."""
    told = desk.log(name).read_text("utf-8", "replace").splitlines()
    others = [line for line in told if not line.startswith("{")]
    lines = [line for line in desk.lines(name) if line["level"] not in QUIET or "exception" in line]
    return [line["event"] for line in lines] + others


@contextmanager
def altered(how: LiteralString, back: LiteralString) -> Iterator[None]:
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
