"""An upgrade with cycles in flight: the code at hand is the old one, and a next release is made from it.

Its migrations run under the old workers; old and new drive the same cycles; the old are drained by role.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import psycopg
import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django_q.tasks import async_task

from cycles.domain.plan import client_order_id
from cycles.domain.words import CallOutcome
from cycles.models import Cycle
from tests.builders import person
from tests.crashes.proof import all_end, assert_one_story
from tests.crashes.releasing import COLUMNS, next_release
from tests.crashes.running import POLICY, DeskWithAQueue, running_desk
from tests.desk import eventually
from tests.kimp.processes import PROJECT

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

IN_TIME = 10
SWEEP = "cycles.tasks.sweep_expired_leases"
BUY, SELL = 1, 8  # positions: the first of the way out, the last of the way home
OUTBOUND, RETURN = range(1, 5), range(5, 9)


@dataclass
class UpgradingDesk(DeskWithAQueue):
    """Runs children of two releases: those named `-new` from the folder of the next one."""

    policy: ClassVar[dict[str, Any]] = POLICY | {"allowed_assets": ["XRP"]}  # both ways
    newer: Path = PROJECT

    def code(self, name: str) -> Path:
        """Name the folder of the release that a child runs."""
        return self.newer if name.endswith("-new") else PROJECT

    def words(self, role: str) -> list[str]:
        """Let a child be the migration as well."""
        return ["migrate", "--no-input"] if role == "migrate" else super().words(role)

    def environment(self, role: str) -> dict[str, str]:
        """Migrations belong to the web role."""
        return super().environment("web" if role == "migrate" else role)

    def have_started(self, *names: str) -> bool:
        """Say whether roles have begun to work."""
        told = [{line.get("event") for line in self.lines(name)} for name in names]
        return all("role.started" in events for events in told)

    def swept(self, name: str) -> bool:
        """Say whether a cluster has run the sweep, and well."""
        done = {"event": "task.finished", "task": "sweep_expired_leases", "outcome": "done"}
        return any(done.items() <= line.items() for line in self.lines(name))

    def has_ended(self, *names: str) -> None:
        """Hold roles that were told to stop to their time."""
        for name in names:
            assert self.children[name].wait(timeout=IN_TIME) == 0, self.tail(name)


@pytest.fixture
def desk(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[UpgradingDesk]:
    """Give seeded venues and a next release; take its migrations back afterwards."""
    ((_, leaf),) = MigrationExecutor(connection).loader.graph.leaf_nodes("cycles")
    newer = next_release(tmp_path / "next", after=leaf)
    with running_desk(tmp_path, settings, UpgradingDesk, KIMP_WORKER_THREADS="8") as running:
        running.newer = newer
        running.variables["KIMP_VENUE_DEADLINE_SECONDS"] = "90"
        yield running
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(newer / "cycles")
        settings.MIGRATION_MODULES = {"cycles": "migrations"}
        call_command("migrate", "cycles", leaf, verbosity=0)


def test_old_and_new_code_bring_every_cycle_home_side_by_side(desk: UpgradingDesk) -> None:
    person("alice", "administrator")
    desk.pin("XRP", usdt="2.2", krw="3300")
    desk.start("feeder-old", "initiator-early-new")
    hung_out, hung_home = desk.open(), desk.open()
    bought, sold = _hang(desk, hung_out, BUY), _hang(desk, hung_home, SELL)
    _assert_refused(desk, "initiator-early-new")

    flowing = [_migrate_under_old_workers(desk, in_the_air=bought)]
    assert hung_out.calls.filter(outcome=CallOutcome.INTENDED).exists()
    flowing.append(desk.open())  # old code, on the schema of the next release
    eventually(lambda: _releases(flowing[-1], OUTBOUND) == {"v1"})
    desk.start("initiator-new", "finalizer-again-old")
    eventually(lambda: desk.have_started("initiator-new", "finalizer-again-old"))

    desk.signal("initiator-old", signal.SIGTERM)
    flowing.append(desk.open())
    eventually(lambda: _releases(flowing[-1], RETURN) == {"v1"} and desk.fired(sold) == 1)
    assert "v2" in _releases(flowing[-1], OUTBOUND), "new code hands over to old code"
    desk.start("finalizer-new")
    eventually(lambda: desk.have_started("finalizer-new"))
    desk.has_ended("initiator-old")
    for name in ("finalizer-old", "finalizer-again-old"):
        desk.signal(name, signal.SIGTERM)
    desk.has_ended("finalizer-old", "finalizer-again-old")
    _hand_the_queue_over(desk)

    all_end(hung_out, hung_home, *flowing)
    for cycle, position in ((hung_out, BUY), (hung_home, SELL)):
        *unsent, last = _calls(cycle, [position])
        assert last == ("v1", CallOutcome.DONE), "adopted, not sent again"
        assert {outcome for _, outcome in unsent} <= {CallOutcome.NOT_SENT}
    assert_one_story(desk)


def _hand_the_queue_over(desk: UpgradingDesk) -> None:
    """Let the old cluster sweep on the schema of the next release, then the new one in its place."""
    async_task(SWEEP)
    eventually(lambda: desk.swept("worker-old"))
    desk.start("worker-new")
    desk.signal("worker-old", signal.SIGTERM)
    desk.has_ended("worker-old")
    async_task(SWEEP)
    eventually(lambda: desk.swept("worker-new"))


def _hang(desk: UpgradingDesk, cycle: Cycle, position: int) -> int:
    """Let Binance accept one order of a cycle and not answer.

    Whichever attempt gets there: a lease of two seconds may run out while a migration waits for its lock.
    """
    return desk.fault(
        fault="F2", venue="binance", method="POST", path_regex="/order$",
        args={"milliseconds": 90_000}, when={"client_id_regex": _any_id(cycle, position)},
    )  # fmt: skip


def _assert_refused(desk: UpgradingDesk, name: str) -> None:
    """Hold new code to its word: on a database that is older it says what to do, and does nothing."""
    assert desk.children[name].wait(timeout=IN_TIME) == 1
    assert f"lacks cycles.{COLUMNS} and 1 more): run manage.py migrate" in desk.tail(name)
    assert not desk.have_started(name)


def _migrate_under_old_workers(desk: UpgradingDesk, *, in_the_air: int) -> Cycle:
    """Migrate while a report keeps a hot table; gives a cycle that the workers drove meanwhile."""
    with psycopg.connect(**_place()) as report:
        report.execute("SELECT count(*) FROM cycles_cycle")
        desk.start("initiator-old", "finalizer-old", "worker-old", "migrate-new")
        eventually(lambda: "gave way" in desk.tail("migrate-new"))
        eventually(lambda: desk.fired(in_the_air) == 1)
        driven = desk.open()
        eventually(driven.calls.exists)
    assert desk.children["migrate-new"].wait(timeout=30) == 0, desk.tail("migrate-new")
    return driven


def _place() -> dict[str, Any]:
    params = connection.get_connection_params()
    return {name: params[name] for name in ("host", "port", "user", "password", "dbname")}


def _any_id(cycle: Cycle, position: int) -> str:
    """Give what the ids of all attempts begin with."""
    return client_order_id(cycle.pk, position=position, attempt=1)[: -len("001")]


def _releases(cycle: Cycle, positions: range) -> set[str]:
    return {release for release, _ in _calls(cycle, list(positions))}


def _calls(cycle: Cycle, positions: list[int]) -> list[tuple[str, str]]:
    """Give release and outcome of the calls of some steps; the model here knows no release."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.release, k.outcome FROM cycles_exchangecall k "
            "JOIN cycles_step s ON s.id = k.step_id "
            "WHERE k.cycle_id = %s AND s.position = ANY(%s) ORDER BY k.id",
            [cycle.pk, positions],
        )
        return list(cursor.fetchall())
