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

from cycles.domain.plan import client_order_id
from cycles.domain.words import CallOutcome
from cycles.models import Cycle, ExchangeCall
from tests.builders import person
from tests.crashes.proof import all_end, assert_one_story
from tests.crashes.releasing import COLUMNS, next_release
from tests.crashes.running import POLICY, RunningDesk, running_desk
from tests.desk import eventually
from tests.kimp.processes import PROJECT

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]

IN_TIME = 10
BUY, SELL = 1, 8  # positions: the first of the way out, the last of the way home
OUTBOUND, RETURN = range(1, 5), range(5, 9)


@dataclass
class UpgradingDesk(RunningDesk):
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

    def drain(self, name: str) -> None:
        """Tell a role to stop, and hold it to its time."""
        self.signal(name, signal.SIGTERM)
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
    hung_out, hung_home, flowing = cycles = [desk.open() for _ in range(3)]
    bought, sold = _hang(desk, hung_out, BUY), _hang(desk, hung_home, SELL)
    desk.start("initiator-old", "finalizer-old")
    eventually(lambda: desk.fired(bought) == 1 and flowing.calls.exists())

    _assert_refused(desk, "initiator-early-new")
    _migrate_under_the_old_workers(desk)
    assert _open_call(hung_out), "its call is still in the air"
    cycles.append(desk.open())  # old code, on the schema of the next release
    eventually(lambda: _releases(cycles[-1], OUTBOUND) == {"v1"})

    desk.start("initiator-new")
    eventually(lambda: _has_started(desk, "initiator-new"))
    desk.drain("initiator-old")
    handed_over = desk.open()
    eventually(lambda: _releases(handed_over, RETURN) == {"v1"} and desk.fired(sold) == 1)
    assert "v2" in _releases(handed_over, OUTBOUND)

    desk.start("finalizer-new")
    eventually(lambda: _has_started(desk, "finalizer-new"))
    desk.drain("finalizer-old")
    all_end(*cycles, handed_over)
    for cycle, position in ((hung_out, BUY), (hung_home, SELL)):
        assert _outcomes(cycle, position) == [("v1", CallOutcome.DONE)], "adopted, never sent again"
    assert_one_story(desk)


def _hang(desk: UpgradingDesk, cycle: Cycle, position: int) -> int:
    """Let Binance accept one order of a cycle and not answer."""
    return desk.fault(
        fault="F2", venue="binance", method="POST", path_regex="/order$",
        args={"milliseconds": 90_000}, when={"client_id_regex": _id(cycle, position)},
    )  # fmt: skip


def _assert_refused(desk: UpgradingDesk, name: str) -> None:
    """Hold new code to its word: on a database that is older it says what to do, and does nothing."""
    assert desk.children[name].wait(timeout=IN_TIME) == 1
    assert f"lacks cycles.{COLUMNS} and 1 more): run manage.py migrate" in desk.tail(name)
    assert not _has_started(desk, name)


def _migrate_under_the_old_workers(desk: UpgradingDesk) -> None:
    """Migrate while a report holds a hot table: the workers go on, and so does the migration at last."""
    with psycopg.connect(**_place()) as report:
        report.execute("SELECT count(*) FROM cycles_cycle")
        desk.start("migrate-new")
        eventually(lambda: "gave way" in desk.tail("migrate-new"))
        before = ExchangeCall.objects.count()
        eventually(lambda: ExchangeCall.objects.count() > before)
    assert desk.children["migrate-new"].wait(timeout=30) == 0, desk.tail("migrate-new")


def _place() -> dict[str, Any]:
    params = connection.get_connection_params()
    return {name: params[name] for name in ("host", "port", "user", "password", "dbname")}


def _id(cycle: Cycle, position: int) -> str:
    return client_order_id(cycle.pk, position=position, attempt=1)


def _open_call(cycle: Cycle) -> bool:
    return cycle.calls.filter(outcome=CallOutcome.INTENDED).exists()


def _has_started(desk: UpgradingDesk, name: str) -> bool:
    return any(line.get("event") == "role.started" for line in desk.lines(name))


def _outcomes(cycle: Cycle, position: int) -> list[tuple[str, str]]:
    """Give release and outcome of each call of a step; the model here knows no release."""
    return _calls(cycle, [position])


def _releases(cycle: Cycle, positions: range) -> set[str]:
    return {release for release, _ in _calls(cycle, list(positions))}


def _calls(cycle: Cycle, positions: list[int]) -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT k.release, k.outcome FROM cycles_exchangecall k "
            "JOIN cycles_step s ON s.id = k.step_id "
            "WHERE k.cycle_id = %s AND s.position = ANY(%s) ORDER BY k.id",
            [cycle.pk, positions],
        )
        return list(cursor.fetchall())
