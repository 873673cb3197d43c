"""A server's files, copied and started elsewhere: a base backup, with and without recovery.signal, or a snapshot.

All look as their origin does that broke off, with its cluster, database and table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from cycles.models import Cycle, Desk, ExchangeCall
from cycles.services import desk as desk_service, homing, witnessing
from exchanges.simulator.server import RunningSimulator
from kimp import postgres
from kimp.postgres import ConnectionInfo
from kimp.postgres_home import base_of
from kimp.postgres_place import chosen
from tests.crashes.replicating import (
    base_backup,
    kill_server,
    running_alone,
    running_copy,
    snapshot,
)
from tests.cycles.conftest import seed
from tests.cycles.restoring.acts import WORDS, catch_up, driven_to, resume, sent, times_placed
from tests.desk import TestDesk, eventually

pytestmark = [pytest.mark.processes, pytest.mark.timeout(240)]


@pytest.fixture
def origin(
    transactional_db: None, reachable_path: Path, settings: Any, tmp_path: Path
) -> Iterator[ConnectionInfo]:
    """Give a server of the test's own, and this host a folder."""
    settings.KIMP_HOME = tmp_path / "host"
    with running_alone(reachable_path / "origin") as info:
        yield info


@dataclass(frozen=True)
class Copies:
    """The desk as it was when its server was lost: an order had gone out that no copy knows."""

    folder: Path
    origin: ConnectionInfo
    desk: TestDesk
    cycle: Cycle
    home: str
    before: Counter[str]

    @contextmanager
    def restored(self, name: str, files: Path, *, signals: bool = False) -> Iterator[None]:
        """Start a server on a copy, `signals` as the documents say; this process works on it."""
        data = snapshot(self.folder / name, files)
        if signals:
            (data / "recovery.signal").touch()
            with (data / "postgresql.auto.conf").open("a") as file:
                file.write("restore_command = 'false'\n")
        with running_copy(self.folder / name, self.origin):
            eventually(_has_recovered)
            assert not ExchangeCall.objects.exists()
            assert (_place(homing.here()) != _place(self.home)) == signals
            yield

    def halts_at_the_first_look(self) -> None:
        """See that a host which saw the order does not even wait for an intent."""
        desk_service.look_home()
        assert sent(self.desk) == self.before
        assert not ExchangeCall.objects.exists()
        row = Desk.objects.get()
        assert (row.mode, row.mode_reason) == ("HALT", homing.AWAY)

    def halts_at_the_first_intent(self) -> None:
        """See that a host which saw nothing lets nothing go out either."""
        witnessing._own.call = None  # nor did a process of it intend anything
        desk_service.look_home()
        assert Desk.objects.get().mode == "RUN"
        self.desk.step(self.cycle)
        self.halts_at_the_first_look()

    def sends_again(self) -> None:
        """See what becomes of the copy of a server that does not know that it broke off."""
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO kimp_unbroken (mark) SELECT right(home, 12) FROM cycles_desk"
            )
        self.desk.sample()
        driven_to(self.desk, self.cycle, 1)
        assert times_placed(self.desk) == 2


def test_no_copy_of_a_servers_files_is_taken_for_it(
    origin: ConnectionInfo,
    venues: RunningSimulator,
    reachable_path: Path,
    settings: Any,
    tmp_path: Path,
) -> None:
    seed()
    desk = TestDesk(running=venues)
    cycle = desk.open()
    desk_service.look_home()
    backup = base_backup(reachable_path / "backup", origin)
    broken = _broken_off(reachable_path)
    driven_to(desk, cycle, 1)  # it only broke off: this host saw it to the last, and it goes on
    desk_service.look_home()
    home = Desk.objects.get().home
    copies = Copies(reachable_path, origin, desk, cycle, home, sent(desk))
    connection.close()
    postgres.stop(reachable_path / "origin")

    with copies.restored("seen", broken):
        copies.halts_at_the_first_look()
    settings.KIMP_HOME = tmp_path / "another host"
    with copies.restored("unseen", backup):
        copies.halts_at_the_first_intent()
        assert catch_up(*WORDS)["is_in_step"]
        resume()
    with copies.restored("recovered", backup, signals=True):
        copies.halts_at_the_first_intent()
    with copies.restored("unguarded", backup):
        copies.sends_again()


def _broken_off(folder: Path) -> Path:
    """Kill the server, take a snapshot of what is left, and start it again."""
    connection.close()
    kill_server(folder / "origin")
    files = snapshot(folder / "snapshot", chosen(base_of(folder / "origin")).data)
    postgres.ensure_running(folder / "origin")
    return files


def _has_recovered() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT NOT pg_is_in_recovery()")
        return bool(cursor.fetchone()[0])


def _place(home: str) -> str:
    return home.rpartition("-")[0]
