"""The server dies while a commit waits for a standby that there is not: it stands, and nobody was told so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.db import connection

from cycles.domain.plan import client_order_id
from kimp import postgres
from kimp.postgres import ConnectionInfo
from tests.builders import person
from tests.crashes.proof import all_end, assert_one_story
from tests.crashes.replicating import kill_server, running_alone, session
from tests.crashes.running import RunningDesk, running_desk
from tests.desk import eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

ANSWERS_AFTER_MS = 1_500


@pytest.fixture
def server(transactional_db: None, reachable_path: Path) -> Iterator[ConnectionInfo]:
    """Give a server of the test's own."""
    with running_alone(reachable_path) as info:
        yield info


@pytest.fixture
def desk(server: ConnectionInfo, settings: Any, tmp_path: Path) -> Iterator[RunningDesk]:
    """Give seeded venues, and a desk on that server."""
    variables = {
        "DATABASE_URL": server.url,
        "KIMP_LEASE_SECONDS": "30",  # no renewal hangs first, with the cycle's row
    }
    with running_desk(tmp_path, settings, RunningDesk, **variables) as running:
        yield running


def test_a_server_that_dies_in_the_commit_of_an_outcome_has_it_booked_once(
    desk: RunningDesk, server: ConnectionInfo, reachable_path: Path
) -> None:
    person("alice", "administrator")
    desk.pin("XRP", usdt="2.2", krw="3300")
    desk.start("feeder-1")
    cycle = desk.open()
    order_id = client_order_id(cycle.pk, position=1, attempt=1)
    slow = desk.fault(
        venue="binance", method="POST", path_regex="/order$", when={"client_id_regex": order_id},
        action="delay_ms", args={"value": ANSWERS_AFTER_MS},
    )  # fmt: skip
    desk.start("initiator-1", "finalizer-1")
    eventually(lambda: desk.fired(slow) == 1)
    with session(server) as watching:
        _commits_wait_for(watching, "nobody")
        eventually(lambda: _hangs_in_its_commit(watching, "kimp_settle_v2"))
        connection.close()
        kill_server(reachable_path)

    postgres.ensure_running(reachable_path)
    with session(server) as again:
        _commits_wait_for(again, "")
    booked = cycle.calls.get(client_order_id=order_id)
    assert (booked.outcome, booked.is_settled) == ("DONE", True)
    all_end(cycle)
    assert not any(line.get("event") == "cycle.bug" for line in desk.lines("initiator-1"))
    assert_one_story(desk)


def _commits_wait_for(server: psycopg.Connection, standby: str) -> None:
    server.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{standby}'")
    server.execute("SELECT pg_reload_conf()")


def _hangs_in_its_commit(server: psycopg.Connection, statement: str) -> bool:
    hanging = server.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND query LIKE %s "
        "AND application_name = 'kimp-initiator'",
        [f"%{statement}%"],
    ).fetchone()
    return hanging != (0,)
